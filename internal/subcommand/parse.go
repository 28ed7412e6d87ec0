package subcommand

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"orderflow/internal/config"
)

// Parse parses flags in any position, and returns the other arguments. There must be as
// many as names, except that a last name in brackets is optional. Asked for help, it
// prints it and returns flag.ErrHelp. Otherwise it returns a *config.Error with all
// faults.
func (c Call) Parse(flags *flag.FlagSet, names ...string) ([]string, error) {
	rest, invalid, err := c.read(flags)
	if errors.Is(err, flag.ErrHelp) {
		c.help(flags)
		return nil, err
	}
	if err != nil {
		return nil, config.Merge(config.Invalid("arguments", "%s", err), invalid)
	}
	if err := config.Merge(invalid, c.count(rest, names)); err != nil {
		return nil, err
	}
	return rest, nil
}

// read separates flags from arguments. invalid holds the faults in the flags' values.
func (c Call) read(flags *flag.FlagSet) (rest []string, invalid, err error) {
	flags.SetOutput(io.Discard)
	flags.Usage = func() {}
	var found config.Error
	flags.VisitAll(func(f *flag.Flag) { f.Value = patient{Value: f.Value, of: f, found: &found} })
	defer flags.VisitAll(func(f *flag.Flag) { f.Value = f.Value.(patient).Value })
	for args := c.Args; ; {
		if err = flags.Parse(args); err != nil || flags.NArg() == 0 {
			break
		}
		rest, args = append(rest, flags.Arg(0)), flags.Args()[1:]
	}
	if len(found.Faults) > 0 {
		invalid = &found
	}
	return rest, invalid, err
}

func (c Call) count(rest, names []string) error {
	switch {
	case len(rest) > len(names) && len(names) == 0:
		return config.Invalid("arguments", "%s takes no arguments", c.Name)
	case len(rest) > len(names):
		return config.Invalid("arguments", "%s takes only %s", c.Name, strings.Join(names, " "))
	case len(rest) < len(names) && !strings.HasPrefix(names[len(rest)], "["):
		return config.Invalid(names[len(rest)], "is required")
	}
	return nil
}

// help prints to standard output, because the caller asked for it.
func (c Call) help(flags *flag.FlagSet) {
	_, _ = fmt.Fprintf(c.Stdout, "usage: %s\n%s\n", strings.TrimSpace(c.Program+" "+c.Name+" "+c.Usage), c.Summary)
	flags.SetOutput(c.Stdout)
	flags.PrintDefaults()
}

// patient is a flag's value that collects faults and words them like those of a setting.
// Package flag would stop at the first, and word it in its own way.
type patient struct {
	flag.Value
	of    *flag.Flag
	found *config.Error
}

// Set never fails.
func (p patient) Set(text string) error {
	if err := p.Value.Set(text); err != nil {
		p.found.Faults = append(p.found.Faults, config.Fault{Name: dashed(p.of.Name), Problem: p.problem(err)})
	}
	return nil
}

// IsBoolFlag reports whether the flag needs no value. Package flag calls it.
func (p patient) IsBoolFlag() bool {
	value, ok := p.Value.(interface{ IsBoolFlag() bool })
	return ok && value.IsBoolFlag()
}

// problem describes the faults of flag's own types, which say only "parse error".
func (p patient) problem(err error) string {
	value, ok := p.Value.(flag.Getter)
	if !ok {
		return err.Error()
	}
	switch value.Get().(type) {
	case bool:
		return "must be true or false"
	case int:
		return "must be a whole number in range"
	case time.Duration:
		return "must be a duration such as 30s or 5m"
	default:
		return err.Error()
	}
}

func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}
