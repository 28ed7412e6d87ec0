package main

import (
	"context"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"orderflow/internal/config"
	"orderflow/internal/version"
)

// cli is one call of the command.
type cli struct {
	args           []string
	environ        []string
	stdin          *os.File // a file, so that a terminal can be recognized
	stdout, stderr io.Writer

	faults []error // in flags and arguments; settings reports them with its own
}

// run runs the subcommand that the arguments name, or prints help. It returns a
// *config.Error if they name none.
func (c *cli) run(ctx context.Context) error { return c.execute(ctx, c.root()) }

func (c *cli) root() *cobra.Command {
	root := c.group("orderflow", "operate Orderflow",
		c.setUpStores(),
		c.migrate(),
		c.group("group", "prepare the starter's subscription", c.createGroup()),
		c.doctor(),
		c.reconcile(),
		c.replay(),
		c.group("parked", "inspect, replay and drop parked events", c.listParked(), c.showParked(), c.replayParked(), c.dropParked()),
		c.group("email", "list and resolve emails that are not settled, and addresses that take none",
			c.listEmails(), c.resolveEmail(), c.listSuppressed(), c.allowEmails(),
			c.group("templates", "check the templates of emails", c.checkTemplates())),
		c.group("publisher", "set up the publisher, and publish orders that it has set aside",
			c.setUpPublisher(), c.listSetAside(), c.retryPublishing(), c.snapshotPublisher()),
		c.group("view", "rebuild the customer view", c.rebuildView()),
		c.erase(),
		c.ready(),
	)
	root.Long = "Operate Orderflow: prepare its servers, and inspect and repair what its daemons work on."
	return root
}

func (c *cli) execute(ctx context.Context, root *cobra.Command) error {
	root.Version = version.Read().String()
	root.SetVersionTemplate("{{.Name}} {{.Version}}\n") // as the daemons print it
	root.SilenceErrors, root.SilenceUsage = true, true
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetUsageTemplate(root.UsageTemplate() + "\nSettings come from the environment; docs/configuration.md lists them.\n")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error {
		return config.Merge(append(c.faults, config.Invalid("arguments", "%s", err))...)
	})
	c.collectFlagFaults(root)
	root.SetArgs(append([]string{}, c.args...)) // not nil, for which cobra takes those of the process
	root.SetOut(c.stdout)
	root.SetErr(c.stderr)
	return root.ExecuteContext(ctx)
}

// group returns a command that only has subcommands.
func (c *cli) group(name, summary string, subcommands ...*cobra.Command) *cobra.Command {
	var names []string
	for _, sub := range subcommands {
		names = append(names, sub.Name())
	}
	group := &cobra.Command{
		Use: name, Short: summary, Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return config.Invalid("arguments", "%s must be followed by one of: %s; see --help", cmd.CommandPath(), strings.Join(names, ", "))
		},
	}
	group.AddCommand(subcommands...)
	return group
}

// argument is a positional argument.
type argument struct {
	name  string                  // in brackets if it is optional
	check func(text string) error // nil accepts any text
}

// takes returns the check of a command's arguments. It keeps their faults for settings,
// so that they are reported with those of the flags and the environment.
func (c *cli) takes(wanted ...argument) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		_, words, _ := strings.Cut(cmd.CommandPath(), " ")
		c.faults = append(c.faults, checkArguments(words, wanted, args)...)
		return nil
	}
}

func checkArguments(command string, wanted []argument, args []string) (faults []error) {
	var names []string
	for i, a := range wanted {
		names = append(names, a.name)
		name := strings.Trim(a.name, "[]")
		switch {
		case i < len(args) && a.check != nil:
			if err := a.check(args[i]); err != nil {
				faults = append(faults, config.Invalid(name, "%s", err))
			}
		case i >= len(args) && name == a.name:
			faults = append(faults, config.Invalid(name, "is required"))
		}
	}
	switch {
	case len(args) > len(wanted) && len(wanted) == 0:
		faults = append(faults, config.Invalid("arguments", "%s takes no arguments", command))
	case len(args) > len(wanted):
		faults = append(faults, config.Invalid("arguments", "%s takes only %s", command, strings.Join(names, " ")))
	}
	return faults
}

// settings loads a command's settings. Its error has every fault of the flags, the
// arguments, others, and the environment. A command calls it before it uses any of them.
func settings[T any](c *cli, others ...error) (T, error) {
	s, err := config.Load[T](c.environ)
	return s, config.Merge(append(append(c.faults, others...), err)...)
}

// collectFlagFaults makes the flags of a command and its subcommands keep the faults of
// their values. Otherwise cobra stops at the first one.
func (c *cli) collectFlagFaults(cmd *cobra.Command) {
	cmd.Flags().VisitAll(func(f *pflag.Flag) { f.Value = faultCollector{Value: f.Value, flag: f, faults: &c.faults} })
	for _, sub := range cmd.Commands() {
		c.collectFlagFaults(sub)
	}
}

// faultCollector is a flag's value that keeps a fault, worded like that of a setting.
type faultCollector struct {
	pflag.Value
	flag   *pflag.Flag
	faults *[]error
}

// Set never fails.
func (v faultCollector) Set(text string) error {
	err := v.Value.Set(text)
	if err == nil {
		return nil
	}
	problem := err.Error()
	switch v.Type() { // pflag's own types say only how Go failed to parse the text
	case "bool":
		problem = "must be true or false"
	case "duration":
		problem = "must be a duration such as 30s or 5m"
	}
	*v.faults = append(*v.faults, config.Invalid("--"+v.flag.Name, "%s", problem))
	return nil
}
