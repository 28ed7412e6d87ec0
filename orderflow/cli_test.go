package main

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

// hostSettings are the settings of the commands of host.
type hostSettings struct {
	Door string `env:"DOOR" envDefault:"open"`
}

// Validate refuses a door that is shut.
func (s hostSettings) Validate() []config.Fault {
	if s.Door != "open" {
		return []config.Fault{{Name: "DOOR", Problem: "must be open"}}
	}
	return nil
}

// greet prints its arguments and one of its flags.
func greet(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "greet WHO WHERE", Short: "say hello", Args: c.takes(argument{name: "WHO"}, argument{name: "WHERE"})}
	loud := cmd.Flags().Bool("loud", false, "shout")
	cmd.Flags().Duration("wait", 0, "how `long` between")
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if _, err := settings[hostSettings](c); err != nil {
			return err
		}
		_, err := fmt.Fprintf(c.stdout, "%s %s %t", args[0], args[1], *loud)
		return err
	}
	return cmd
}

// listGuests prints so many guests, or those of a room.
func listGuests(c *cli) *cobra.Command {
	cmd := &cobra.Command{Use: "list [ROOM]", Short: "say who is there", Args: c.takes(argument{"[ROOM]", func(text string) error {
		if text == "attic" {
			return fmt.Errorf("must not be the attic")
		}
		return nil
	}})}
	as, limit := outputFlag(cmd), limitFlag(cmd)
	cmd.RunE = func(_ *cobra.Command, args []string) error {
		if _, err := settings[hostSettings](c); err != nil {
			return err
		}
		return as.print(c.stdout, map[string]any{"limit": *limit, "rooms": len(args), "who": "<Ada>"}, func(w io.Writer) error {
			_, err := fmt.Fprintf(w, "%d %v", *limit, args)
			return err
		})
	}
	return cmd
}

func host(c *cli) *cobra.Command {
	rest := &cobra.Command{Use: "rest", Short: "do nothing", Args: c.takes(), RunE: func(*cobra.Command, []string) error {
		_, err := settings[hostSettings](c)
		return err
	}}
	return c.group("host", "keep the door", c.group("guest", "guests", greet(c), listGuests(c)), rest)
}

func TestCLI(t *testing.T) {
	t.Parallel()
	const jsonOf7 = "{\n  \"limit\": 7,\n  \"rooms\": 1,\n  \"who\": \"<Ada>\"\n}\n"
	const unknown = "arguments: host must be followed by one of: guest, rest; see --help"
	const unknownGuest = "arguments: host guest must be followed by one of: greet, list; see --help"
	for args, want := range map[string]struct {
		out, err string
	}{
		"guest greet Ada door":            {out: "Ada door false"},
		"guest greet --loud Ada door":     {out: "Ada door true"},
		"guest greet Ada --loud door":     {out: "Ada door true"},
		"guest greet Ada door --loud":     {out: "Ada door true"},
		"rest":                            {},
		"":                                {err: unknown},
		"gue":                             {err: unknown},
		"guest":                           {err: unknownGuest},
		"guest gree":                      {err: unknownGuest},
		"guest greet Ada":                 {err: "WHERE: is required"},
		"guest greet Ada door now":        {err: "arguments: guest greet takes only WHO WHERE"},
		"guest greet Ada door --softly":   {err: "arguments: unknown flag: --softly"},
		"rest now":                        {err: "arguments: rest takes no arguments"},
		"guest greet Ada door --loud=ish": {err: "--loud: must be true or false"},
		"guest greet Ada --wait=y --loud=z": {err: "--loud: must be true or false\n" +
			"--wait: must be a duration such as 30s or 5m\nWHERE: is required"},
		"guest greet Ada --wait x --softly":      {err: "--wait: must be a duration such as 30s or 5m\narguments: unknown flag: --softly"},
		"guest list":                             {out: "100 []"},
		"guest list --limit 7 red -o table":      {out: "7 [red]"},
		"guest list -o json red --limit=7":       {out: jsonOf7},
		"guest list --output json red --limit=7": {out: jsonOf7},
		"guest list red green":                   {err: "arguments: guest list takes only [ROOM]"},
		"guest list attic green":                 {err: "ROOM: must not be the attic\narguments: guest list takes only [ROOM]"},
		"guest list -o yaml --limit 0":           {err: "--limit: must be from 1 to 10000\n--output: must be table or json"},
		"guest list --limit 10001":               {err: "--limit: must be from 1 to 10000"},
		"guest list --limit many":                {err: "--limit: must be from 1 to 10000"},
		"guest list --limit":                     {err: "arguments: flag needs an argument: --limit"},
	} {
		t.Run(args, func(t *testing.T) {
			t.Parallel()
			out, err := execute(t, nil, args)
			require.Equal(t, want.out, out)
			if want.err == "" {
				require.NoError(t, err)
				return
			}
			require.EqualError(t, err, want.err)
			require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		})
	}
	_, err := execute(t, []string{"DOOR=shut"}, "guest greet Ada --loud=ish")
	require.EqualError(t, err, "--loud: must be true or false\nDOOR: must be open\nWHERE: is required")
}

// execute runs a command of host.
func execute(t *testing.T, environ []string, args string) (string, error) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	c := &cli{args: strings.Fields(args), environ: environ, stdout: &stdout, stderr: &stderr}
	err := c.execute(t.Context(), host(c))
	require.Empty(t, stderr.String(), "main reports errors")
	return stdout.String(), err
}

func TestCLI_Help(t *testing.T) {
	t.Parallel()
	for args, want := range map[string][]string{
		"--help":                        {"keep the door", "guest ", "rest ", "completion ", "docs/configuration.md"},
		"help":                          {"keep the door"},
		"guest --help":                  {"greet ", "say hello", "list ", "say who is there"},
		"guest greet --help":            {"host guest greet WHO WHERE [flags]", "--loud", "--wait long", "docs/configuration.md"},
		"guest greet --loud=ish --help": {"host guest greet WHO WHERE [flags]"},
		"guest list --help":             {"-o, --output format", "--limit number", "1 to 10000; default 100"},
		"--version":                     {"host " + version.Read().String() + "\n"},
		"completion bash":               {"bash completion"},
	} {
		out, err := execute(t, nil, args)
		require.NoError(t, err, args)
		for _, text := range want {
			require.Contains(t, out, text, args)
		}
	}
}

func TestCLI_Completion(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	c := &cli{args: []string{"__complete", "guest", "list", "--output", ""}, stdout: &stdout, stderr: &stderr}
	require.NoError(t, c.execute(t.Context(), host(c)))
	require.Contains(t, stdout.String(), "table\njson\n")
}

// Each command has a name, a summary and help.
func TestCLI_DescribesEachCommand(t *testing.T) {
	t.Parallel()
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		require.NotEmpty(t, cmd.Short, cmd.CommandPath())
		require.NotNil(t, cmd.Args, cmd.CommandPath())
		var stdout bytes.Buffer
		c := &cli{args: append(strings.Fields(cmd.CommandPath())[1:], "--help"), stdout: &stdout}
		require.NoError(t, c.run(t.Context()))
		require.Contains(t, stdout.String(), cmd.CommandPath())
		for _, sub := range cmd.Commands() {
			visit(sub)
		}
	}
	visit((&cli{}).root())
}
