package subcommand_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/subcommand"
)

// greet prints the arguments and the flag it was given.
func greet(_ context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	loud := flags.Bool("loud", false, "shout")
	args, err := c.Parse(flags, "WHO", "WHERE")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s %s %t", args[0], args[1], *loud)
	return err
}

func program() subcommand.Program {
	return subcommand.Program{Name: "host", Summary: "keep the door", Commands: []subcommand.Command{
		{Name: "guest greet", Usage: "WHO WHERE [--loud]", Summary: "say hello", Run: greet},
		{Name: "rest", Summary: "do nothing", Run: func(_ context.Context, c subcommand.Call) error {
			_, err := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError))
			return err
		}},
	}}
}

func TestASubcommandIsChosenByItsWords(t *testing.T) {
	t.Parallel()
	const all = "usage:\n" +
		"  host                                 keep the door\n" +
		"  host guest greet WHO WHERE [--loud]  say hello\n" +
		"  host rest                            do nothing\n" +
		"settings come from the environment; README.md lists them\n"
	for args, want := range map[string]struct {
		out, err string
	}{
		"guest greet Ada door":            {out: "Ada door false"},
		"guest greet --loud Ada door":     {out: "Ada door true"},
		"guest greet Ada --loud door":     {out: "Ada door true"},
		"guest greet Ada door --loud":     {out: "Ada door true"},
		"rest":                            {},
		"--help":                          {out: all},
		"help":                            {out: all},
		"guest --help":                    {out: "usage:\n  host guest greet WHO WHERE [--loud]  say hello\nsettings come from the environment; README.md lists them\n"},
		"guest greet --help":              {out: "usage: host guest greet WHO WHERE [--loud]\nsay hello\n  -loud\n    \tshout\n"},
		"guest":                           {err: "arguments: must be none, or one of: guest greet, rest; see --help"},
		"gue --help":                      {err: "arguments: must be none, or one of: guest greet, rest; see --help"},
		"guest greet Ada":                 {err: "WHERE: is required"},
		"guest greet Ada door now":        {err: "arguments: guest greet takes only WHO WHERE"},
		"guest greet Ada door --softly":   {err: "arguments: flag provided but not defined: -softly"},
		"rest now":                        {err: "arguments: rest takes no arguments"},
		"guest greet Ada door --loud=ish": {err: `arguments: invalid boolean value "ish" for -loud: parse error`},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			err := program().Dispatch(t.Context(), subcommand.Call{Args: strings.Fields(args), Stdout: &out, Stderr: &out})
			require.Equal(t, want.out, out.String())
			if want.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, want.err)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
}
