package subcommand_test

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
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
	flags.Int("times", 1, "how `often`")
	flags.Duration("wait", 0, "how `long` between")
	args, err := c.Parse(flags, "WHO", "WHERE")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(c.Stdout, "%s %s %t", args[0], args[1], *loud)
	return err
}

// list prints so many guests, or those of a room.
func list(_ context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	as, limit := subcommand.OutputFlag(flags), subcommand.LimitFlag(flags)
	args, err := c.Parse(flags, "[ROOM]")
	if err != nil {
		return err
	}
	return as.Print(c.Stdout, map[string]any{"limit": *limit, "rooms": len(args), "who": "<Ada>"}, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "%d %v", *limit, args)
		return err
	})
}

func program() subcommand.Program {
	return subcommand.Program{Name: "host", Summary: "keep the door", Commands: []subcommand.Command{
		{Name: "guest greet", Usage: "WHO WHERE [--loud]", Summary: "say hello", Run: greet},
		{Name: "guest list", Usage: "[ROOM] [--limit N] [-o table|json]", Summary: "say who is there", Run: list},
		{Name: "rest", Summary: "do nothing", Run: func(_ context.Context, c subcommand.Call) error {
			_, err := c.Parse(flag.NewFlagSet(c.Name, flag.ContinueOnError))
			return err
		}},
	}}
}

func TestASubcommandIsChosenByItsWords(t *testing.T) {
	t.Parallel()
	const all = "usage:\n" +
		"  host                                                keep the door\n" +
		"  host guest greet WHO WHERE [--loud]                 say hello\n" +
		"  host guest list [ROOM] [--limit N] [-o table|json]  say who is there\n" +
		"  host rest                                           do nothing\n" +
		"settings come from the environment; docs/configuration.md lists them\n"
	const guests = "usage:\n" +
		"  host guest greet WHO WHERE [--loud]                 say hello\n" +
		"  host guest list [ROOM] [--limit N] [-o table|json]  say who is there\n" +
		"settings come from the environment; docs/configuration.md lists them\n"
	const greetHelp = "usage: host guest greet WHO WHERE [--loud]\nsay hello\n  -loud\n    \tshout\n" +
		"  -times often\n    \thow often (default 1)\n  -wait long\n    \thow long between\n"
	const listHelp = "usage: host guest list [ROOM] [--limit N] [-o table|json]\nsay who is there\n" +
		"  -limit number\n    \tlist at most this number, 1 to 10000, 100 without it\n" +
		"  -o table or json\n    \tprint a table or json, a table without it\n"
	const jsonOf7 = "{\n  \"limit\": 7,\n  \"rooms\": 1,\n  \"who\": \"<Ada>\"\n}\n"
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
		"guest --help":                    {out: guests},
		"guest greet --help":              {out: greetHelp},
		"guest greet --loud=ish --help":   {out: greetHelp},
		"guest":                           {err: "arguments: must be none, or one of: guest greet, guest list, rest; see --help"},
		"gue --help":                      {err: "arguments: must be none, or one of: guest greet, guest list, rest; see --help"},
		"guest greet Ada":                 {err: "WHERE: is required"},
		"guest greet Ada door now":        {err: "arguments: guest greet takes only WHO WHERE"},
		"guest greet Ada door --softly":   {err: "arguments: flag provided but not defined: -softly"},
		"rest now":                        {err: "arguments: rest takes no arguments"},
		"guest greet Ada door --loud=ish": {err: "--loud: must be true or false"},
		"guest greet Ada --times x --wait=y --loud=z": {err: "--loud: must be true or false\n" +
			"--times: must be a whole number in range\n--wait: must be a duration such as 30s or 5m\nWHERE: is required"},
		"guest greet Ada --times x --softly": {err: "--times: must be a whole number in range\narguments: flag provided but not defined: -softly"},
		"guest list":                         {out: "100 []"},
		"guest list --limit 7 red -o table":  {out: "7 [red]"},
		"guest list -o json red --limit=7":   {out: jsonOf7},
		"guest list --help":                  {out: listHelp},
		"guest list red green":               {err: "arguments: guest list takes only [ROOM]"},
		"guest list -o yaml --limit 0":       {err: "--limit: must be from 1 to 10000\n-o: must be table or json"},
		"guest list --limit 10001":           {err: "--limit: must be from 1 to 10000"},
		"guest list --limit many":            {err: "--limit: must be from 1 to 10000"},
		"guest list --limit":                 {err: "arguments: flag needs an argument: -limit"},
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
