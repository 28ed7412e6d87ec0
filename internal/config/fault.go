package config

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The exit codes of every binary.
const (
	ExitOK            = 0
	ExitFailure       = 1
	ExitConfiguration = 2
)

// Fault is one thing that is wrong with one setting. Problem never quotes a value, for it may be a secret.
type Fault struct {
	Name    string // the environment variable, or the flag with its dashes
	Problem string // "is required", "must be above zero"
}

// Error is a configuration that cannot be used, with every fault that was found.
type Error struct{ Faults []Fault }

// Invalid makes an Error of one fault, for what is found outside Load, such as a bad argument.
func Invalid(name, format string, args ...any) error {
	return &Error{Faults: []Fault{{Name: name, Problem: fmt.Sprintf(format, args...)}}}
}

// Merge makes one configuration error of several, so that what separate checks found is reported at once. Where two name
// the same setting, the first says what is wrong. Errors of another kind are joined as they are.
func Merge(errs ...error) error {
	merged := &Error{}
	named := map[string]bool{}
	var others []error
	for _, err := range errs {
		invalid, ok := errors.AsType[*Error](err)
		if !ok {
			others = append(others, err)
			continue
		}
		for _, fault := range invalid.Faults {
			if !named[fault.Name] {
				merged.Faults = append(merged.Faults, fault)
			}
		}
		for _, fault := range invalid.Faults {
			named[fault.Name] = true
		}
	}
	if len(merged.Faults) > 0 {
		return merged
	}
	return errors.Join(others...)
}

// Error gives one line `NAME: what is wrong` for each fault, sorted by name.
func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.Name + ": " + strings.Join(strings.Fields(f.Problem), " ")
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "\n")
}

// ExitCode is the exit code that err asks for: 0 for none, 2 for a configuration error anywhere in its chain, else 1.
func ExitCode(err error) int {
	if err == nil {
		return ExitOK
	}
	if _, ok := errors.AsType[*Error](err); ok {
		return ExitConfiguration
	}
	return ExitFailure
}

// Report writes err to w, if there is one, and returns its exit code. Configuration errors come bare, so that each line
// is `NAME: what is wrong` whatever they were wrapped in.
func Report(w io.Writer, err error) int {
	if err == nil {
		return ExitOK
	}
	if invalid, ok := errors.AsType[*Error](err); ok {
		err = invalid
	}
	_, _ = fmt.Fprintln(w, err) // nobody is left to tell when standard error is gone
	return ExitCode(err)
}
