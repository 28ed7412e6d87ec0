package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"orderflow/internal/shell"
)

// The exit codes of every binary.
const (
	ExitOK            = 0
	ExitFailure       = 1
	ExitConfiguration = 2
)

// Fault is one thing that is wrong with one setting. Problem never quotes a value, which
// may be a secret.
type Fault struct {
	Name    string // the environment variable, or the flag with its dashes
	Problem string // "is required", "must be above zero"
}

// Error is a configuration that cannot be used, with every fault that was found.
type Error struct{ Faults []Fault }

// Invalid returns an Error with one fault, for a fault found outside Load, such as a bad
// argument.
func Invalid(name, format string, args ...any) error {
	return &Error{Faults: []Fault{{Name: name, Problem: fmt.Sprintf(format, args...)}}}
}

// Merge returns one configuration error made of several, so that the faults of separate
// checks are reported at once. If two name the same setting, the first one is kept. If
// there are no configuration errors, Merge joins the others unchanged.
func Merge(errs ...error) error {
	merged := &Error{}
	reported := map[string]bool{}
	var others []error
	for _, err := range errs {
		invalid, ok := errors.AsType[*Error](err)
		if !ok {
			others = append(others, err)
			continue
		}
		for _, fault := range invalid.Faults {
			if !reported[fault.Name] {
				merged.Faults = append(merged.Faults, fault)
			}
		}
		for _, fault := range invalid.Faults {
			reported[fault.Name] = true
		}
	}
	if len(merged.Faults) > 0 {
		return merged
	}
	return errors.Join(others...)
}

// Error returns one line `NAME: what is wrong` for each fault, sorted by name.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Name + ": " + strings.Join(strings.Fields(f.Problem), " ")
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// ExitCode returns the exit code for err: 0 for nil, 2 for a configuration error anywhere
// in its chain, otherwise 1.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return ExitConfiguration
	}
	return ExitFailure
}

// Report writes err to w, unless it is nil, and returns its exit code. Configuration
// errors are written without their wrapping, so that each line is `NAME: what is wrong`.
func Report(w io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	if invalid, ok := errors.AsType[*Error](err); ok {
		err = invalid
	}
	_, _ = fmt.Fprintln(w, shell.PrintableLines(err.Error())) // a failure to write to standard error cannot be reported
	return ExitCode(err)
}
