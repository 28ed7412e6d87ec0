package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/routes"
	"orderflow/internal/setup"
	"orderflow/internal/temporalclient"
)

// setupSettings are the settings of a setup of any store.
type setupSettings struct {
	config.Log
	config.Payloads
	config.Attributes
	EmailRate emailRate `env:"EMAIL_RATE"`
	Reconcile schedule
}

// schedule is when Temporal starts the workflow Reconciliation.
type schedule struct {
	Every  time.Duration `env:"RECONCILE_EVERY"`  // 0 leaves the schedule unchanged
	Window time.Duration `env:"RECONCILE_WINDOW"` // compare only orders placed within this time; 0 means all
	Fix    bool          `env:"RECONCILE_FIX"`
}

// minEvery and maxSpan bound the interval and the window. The shortest interval is far
// longer than a comparison of a day's orders takes.
const (
	minEvery = time.Minute
	maxSpan  = 10 * 365 * 24 * time.Hour
)

// Validate reports durations out of range. A window shorter than the interval would leave
// orders out.
func (s schedule) Validate() []config.Fault {
	var faults []config.Fault
	if s.Every != 0 && (s.Every < minEvery || s.Every > maxSpan || s.Every%time.Second != 0) {
		faults = append(faults, config.Fault{Name: "RECONCILE_EVERY", Problem: "must be 0 or whole seconds from 1m to 87600h"})
	}
	if s.Window != 0 && (s.Window < s.Every || s.Window < 0 || s.Window > maxSpan || s.Window%time.Second != 0) {
		faults = append(faults, config.Fault{Name: "RECONCILE_WINDOW", Problem: "must be 0 or whole seconds from RECONCILE_EVERY to 87600h"})
	}
	return faults
}

// setupPostgresSettings are those of a setup of PostgreSQL.
type setupPostgresSettings struct {
	config.Postgres
	Slot config.Slot
}

// setupKurrentSettings are those of a setup of KurrentDB.
type setupKurrentSettings struct {
	config.KurrentDB
	Subscription config.Subscription
}

// maxEmailRate is far above the rate of any SES account.
const maxEmailRate = 100_000

// emailRate is a rate in emails per second; 0 means that none was given.
type emailRate float64

// UnmarshalText accepts a number above 0.
func (r *emailRate) UnmarshalText(text []byte) error {
	rate, err := strconv.ParseFloat(string(text), 32)
	if err != nil || !(rate > 0 && rate <= maxEmailRate) { // not NaN either
		return fmt.Errorf("must be a number of emails per second, above 0 and at most %d", maxEmailRate)
	}
	*r = emailRate(rate)
	return nil
}

// setupOptions are the flags of setup.
type setupOptions struct {
	dryRun, withoutPasswords, refresh *bool
	wait                              *time.Duration
	only, skip                        []setup.Store
	grant                             []string
	rights                            rightsOptions
	rate                              emailRate
	refreshBefore                     time.Time
	output                            *output
}

func (c *cli) setUpStores() *cobra.Command {
	cmd := &cobra.Command{
		Use: "setup", Short: "prepare PostgreSQL, KurrentDB and Temporal, as far as it is not done yet",
		Long: "Prepare the stores: PostgreSQL's schema, publication, roles, grants and replication slot; the starter's group in\n" +
			"KurrentDB and, with --rights, the rights of each binary; Temporal's search attributes, the rate of the email queue\n" +
			"and, with RECONCILE_EVERY, the schedule that compares the stores. It may be repeated, and removes nothing but, with\n" +
			"--rights, what every user may do by default. What the caller's rights do not allow is printed as statements or\n" +
			"commands, and the rest is done.\n" +
			"The exit code is 3 if something is left for a person, 1 if a step failed.",
		Args: c.takes(),
	}
	flags := cmd.Flags()
	o := setupOptions{
		dryRun:           flags.Bool("dry-run", false, "print what would be done, and change nothing"),
		withoutPasswords: flags.Bool("without-passwords", false, "the roles log in without passwords, by certificate for example: do not report that they have none"),
		refresh:          flags.Bool("refresh", false, "make all open orders set their search attributes again"),
		wait:             flags.Duration("wait", 0, "how long to wait for stores that are not available yet, as a `duration`"),
		output:           outputFlag(cmd),
	}
	flags.Var(value{"stores", storesInto(&o.only)}, "only", "set up only these of postgres, kurrentdb and temporal, separated by commas")
	flags.Var(value{"stores", storesInto(&o.skip)}, "skip", "do not set up these stores")
	flags.Var(value{"user", func(name string) error {
		o.grant = append(o.grant, name)
		return checkUser(name)
	}}, "grant", "let this KurrentDB user, or group of users, join the group, and see and drop parked events; repeatable")
	o.rights.add(flags)
	flags.Var(value{"time", func(text string) (err error) {
		if o.refreshBefore, err = time.Parse(time.RFC3339, text); err != nil {
			return errors.New("must be a time such as 2026-01-31T12:00:00Z")
		}
		return nil
	}}, "refresh-before", "like --refresh, for the orders that started until then: continue a refresh that stopped early")
	flags.Var(value{"number", func(text string) error { return o.rate.UnmarshalText([]byte(text)) }},
		"email-rate", "emails per second that the SES account allows; default EMAIL_RATE, else unchanged")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.runSetup(cmd.Context(), &o) }
	return cmd
}

// storesInto returns a flag's function that adds stores to a list.
func storesInto(list *[]setup.Store) func(text string) error {
	return func(text string) error {
		var stores []setup.Store
		for name := range strings.SplitSeq(text, ",") {
			store := setup.Store(strings.TrimSpace(name))
			if !slices.Contains(setup.Stores(), store) {
				return errors.New("must be of postgres, kurrentdb and temporal, separated by commas")
			}
			stores = append(stores, store)
		}
		*list = append(*list, stores...)
		return nil
	}
}

// includes reports whether a store is to be set up.
func (o *setupOptions) includes(store setup.Store) bool {
	return (len(o.only) == 0 || slices.Contains(o.only, store)) && !slices.Contains(o.skip, store)
}

func (o *setupOptions) validate() error {
	if !slices.ContainsFunc(setup.Stores(), o.includes) {
		return config.Invalid("--skip", "leaves no store to set up")
	}
	return o.rights.validate()
}

// runSetup sets the stores up and prints the report.
func (c *cli) runSetup(ctx context.Context, o *setupOptions) error {
	options, closeAll, err := c.openSetup(ctx, o)
	if err != nil {
		return err
	}
	defer closeAll()
	report := setup.Run(ctx, options)
	if err := o.output.print(c.stdout, report, report.Print); err != nil {
		return err
	}
	if n := report.Count(setup.Failed); n > 0 {
		return fmt.Errorf("setup: %d of %d steps failed", n, len(report.Steps))
	}
	if n := report.Count(setup.Refused, setup.Left); n > 0 {
		return needsAttention("setup: %d of %d steps are left to do", n, len(report.Steps))
	}
	return nil
}

// openSetup reads the settings of the stores that are set up, and opens clients of them,
// which connect later. Its error has all faults at once.
func (c *cli) openSetup(ctx context.Context, o *setupOptions) (options setup.Options, closeAll func(), err error) {
	s, invalid := settings[setupSettings](c, checkDuration("--wait", *o.wait), o.validate())
	options = setup.Options{DryRun: *o.dryRun, Wait: *o.wait, Logger: s.Logger(c.stderr)}
	faults, closers := []error{invalid}, []func(){}
	if o.includes(setup.Postgres) {
		opened, err := c.openSetupPostgres(ctx, options.Logger)
		if faults = append(faults, err); err == nil {
			opened.WithoutPasswords = *o.withoutPasswords
			options.Postgres, closers = opened, append(closers, opened.Pool.Close)
		}
	}
	if o.includes(setup.KurrentDB) {
		opened, err := c.openSetupKurrent(options.Logger)
		if faults = append(faults, err); err == nil {
			opened.Grant, opened.Users, opened.KeepCorrelation = o.grant, o.rights.users(), *o.rights.keepCorrelation
			options.KurrentDB, closers = opened, append(closers, opened.Client.Close)
		}
	}
	if o.includes(setup.Temporal) {
		opened, err := openSetupTemporal(s.Payloads, options.Logger)
		if faults = append(faults, err); err == nil {
			opened.EmailRate, opened.Refresh, opened.RefreshBefore = float64(max(s.EmailRate, 0)), *o.refresh, o.refreshBefore
			opened.Reconcile, opened.TotalHidden = setup.Reconcile(s.Reconcile), s.TotalHidden
			if o.rate > 0 {
				opened.EmailRate = float64(o.rate)
			}
			options.Temporal, closers = opened, append(closers, opened.Client.Close)
		}
	}
	closeAll = func() {
		for _, end := range closers {
			end()
		}
	}
	if err := config.Merge(faults...); err != nil {
		closeAll()
		return options, nil, err
	}
	return options, closeAll, nil
}

func (c *cli) openSetupPostgres(ctx context.Context, logger *slog.Logger) (*setup.PostgresOptions, error) {
	s, invalid := config.Load[setupPostgresSettings](c.environ)
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.URL, URLFile: s.URLFile,
		MaxConns: 3, ApplicationName: "orderflow-setup", OwnSessions: true, CallTimeout: callTimeout, Logger: logger,
	})
	if err := config.Merge(invalid, poolErr); err != nil {
		if pool != nil {
			pool.Close()
		}
		return nil, err
	}
	return &setup.PostgresOptions{Pool: pool, Slot: s.Slot.Name}, nil
}

func (c *cli) openSetupKurrent(logger *slog.Logger) (*setup.KurrentDBOptions, error) {
	s, invalid := config.Load[setupKurrentSettings](c.environ)
	events, eventsErr := c.openEvents(s.KurrentDB, logger)
	if err := config.Merge(invalid, eventsErr); err != nil {
		if events != nil {
			events.Close()
		}
		return nil, err
	}
	groups := starterGroups(s.Subscription)
	return &setup.KurrentDBOptions{Client: events, Group: groups[0], OtherGroups: groups[1:]}, nil
}

// starterGroups returns the settings of the starter's groups, that of orders first.
func starterGroups(s config.Subscription) (groups []kurrent.GroupSettings) {
	for _, each := range routes.Subscriptions(s) {
		groups = append(groups, kurrent.GroupSettings{
			Stream: each.Stream, Group: each.Group, MessageTimeout: each.MessageTimeout, BufferSize: each.GroupBuffer(),
		})
	}
	return groups
}

func openSetupTemporal(payloads config.Payloads, logger *slog.Logger) (*setup.TemporalOptions, error) {
	const service = "orderflow-setup"
	metrics, err := ops.NewMetrics(service)
	if err != nil {
		return nil, err
	}
	options, err := temporalclient.Options(service, payloads, logger, metrics)
	if err != nil {
		return nil, err
	}
	temporal, err := temporalclient.Open(options)
	if err != nil {
		return nil, err
	}
	return &setup.TemporalOptions{Client: temporal, Namespace: temporalclient.Namespace(options), Identity: options.Identity, Converter: options.DataConverter}, nil
}
