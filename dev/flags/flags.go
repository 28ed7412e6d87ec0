// Package flags reads the command line of a development program. It is the standard
// library's package flag for programs that accept flags alone, except that it reports
// every invalid flag at once, as a *config.Error.
//
// It owns the parsing, the help and the kinds of values that several programs have. Which
// flags there are and which exclude each other is left to the programs.
package flags

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"

	"orderflow/internal/config"
)

// Set is the flags of one program. The methods of flag.FlagSet declare flags that accept
// any value.
type Set struct {
	*flag.FlagSet
	faults []config.Fault
}

// New returns a Set without flags.
func New(program string) *Set {
	return &Set{FlagSet: flag.NewFlagSet(program, flag.ContinueOnError)}
}

// Value declares a flag with a rule. The error of set says what the value must be.
func (s *Set) Value(name, usage string, set func(value string) error) {
	s.Func(name, usage, func(value string) error {
		if err := set(value); err != nil {
			s.Fault("--"+name, "%s", err)
		}
		return nil
	})
}

// Unless returns nil if a value is valid, and otherwise an error for Value.
func Unless(valid bool, format string, args ...any) error {
	if valid {
		return nil
	}
	return fmt.Errorf(format, args...)
}

// Count declares a flag for a whole number in a range.
func (s *Set) Count(to *int, name, usage string, least, most int) {
	s.Value(name, usage, func(value string) (err error) {
		*to, err = strconv.Atoi(value)
		return Unless(err == nil && *to >= least && *to <= most, "must be from %d to %d", least, most)
	})
}

// Seed declares a flag for the seed of a random generator.
func (s *Set) Seed(to *uint64, name, usage string) {
	s.Value(name, usage, func(value string) (err error) {
		*to, err = strconv.ParseUint(value, 10, 64)
		return Unless(err == nil, "must be a whole number, not below zero")
	})
}

// Fault records that a flag is invalid.
func (s *Set) Fault(name, format string, args ...any) {
	s.faults = append(s.faults, config.Fault{Name: name, Problem: fmt.Sprintf(format, args...)})
}

// ReadArguments parses the command line, then calls check, which adds the faults that a
// single flag does not show. The error has all of them. It returns flag.ErrHelp after it
// has written about and the flags to stdout.
func (s *Set) ReadArguments(args []string, stdout io.Writer, about string, check func()) error {
	s.SetOutput(io.Discard) // the error says the same
	switch err := s.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		_, _ = fmt.Fprintln(stdout, about)
		s.SetOutput(stdout)
		s.PrintDefaults()
		return err
	case err != nil:
		s.Fault("arguments", "%s", err)
	case s.NArg() > 0:
		s.Fault("arguments", "unexpected %q: only flags are accepted", s.Arg(0))
	}
	check()
	if len(s.faults) > 0 {
		return &config.Error{Faults: s.faults}
	}
	return nil
}
