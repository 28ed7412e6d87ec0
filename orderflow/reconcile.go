package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"orderflow/internal/config"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/reconcile"
	"orderflow/internal/temporalclient"
)

// maxWait bounds the durations that an operator may give.
const maxWait = time.Hour

// reconcileSettings are the settings of a comparison, which needs all three stores.
type reconcileSettings struct {
	config.Log
	config.KurrentDB
	config.Postgres
	Subscription config.Subscription
	Payloads     config.Payloads
	Attributes   config.Attributes
}

// reconcileOptions are the flags of reconcile.
type reconcileOptions struct {
	since  time.Time
	fix    *bool
	credit *bool
	grace  *time.Duration
	wait   *time.Duration
	output *output
}

func (c *cli) reconcile() *cobra.Command {
	cmd := &cobra.Command{
		Use: "reconcile", Short: "compare the placed orders with workflows, credit and fulfillments",
		Long: "Compare the placed orders with workflows, credit and fulfillments. The exit code is 3 if differences are left.",
		Args: c.takes(),
	}
	began := time.Now()
	flags := cmd.Flags()
	o := reconcileOptions{
		fix:    flags.Bool("fix", false, "start missing orders, and repair held ones"),
		credit: flags.Bool("credit", false, "also look for reservations that KurrentDB lost: after it was restored from a backup"),
		grace:  flags.Duration("grace", reconcile.DefaultGrace, "skip orders placed within this `time`: the starter may be starting them"),
		wait:   flags.Duration("wait", reconcile.DefaultWait, "with --fix, how long to wait for repairs, as a `duration`"),
		output: outputFlag(cmd),
	}
	flags.Var(value{"time", func(text string) (err error) {
		o.since, err = parseSince(began, text)
		return err
	}}, "since", "check orders placed since this time, or within this duration; default all")
	cmd.RunE = func(cmd *cobra.Command, _ []string) error { return c.compare(cmd.Context(), &o, began) }
	return cmd
}

// parseSince parses a time in the past, or a duration before now.
func parseSince(now time.Time, text string) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.After(now) {
		return time.Time{}, errors.New("must be a duration such as 24h, or a time in the past such as 2025-01-31T09:00:00Z")
	}
	return at, nil
}

func checkDuration(name string, d time.Duration) error {
	if d < 0 || d > maxWait {
		return config.Invalid(name, "must be from 0s to 1h")
	}
	return nil
}

// compare compares the stores and prints the findings. It returns an *attentionError,
// for exit code 3, if differences are left that it could not, or was not asked to, repair.
func (c *cli) compare(ctx context.Context, o *reconcileOptions, began time.Time) error {
	options, closeAll, err := c.openStores(ctx, checkDuration("--grace", *o.grace), checkDuration("--wait", *o.wait))
	if err != nil {
		return err
	}
	defer closeAll()
	options.Since, options.Cutoff, options.Fix, options.Wait = o.since, began.Add(-*o.grace), *o.fix, *o.wait
	options.Credit = *o.credit
	findings, err := reconcile.Run(ctx, options)
	if err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	err = o.output.print(c.stdout, findings, findings.Print)
	if err == nil && findings.Left > 0 {
		err = needsAttention("reconcile: %d differences left", findings.Left)
	}
	return err
}

// openStores reads the settings and connects to the three stores. Its error has all
// faults at once.
func (c *cli) openStores(ctx context.Context, others ...error) (o reconcile.Options, closeAll func(), err error) {
	s, invalid := settings[reconcileSettings](c, others...)
	logger := s.Logger(c.stderr)
	const service = "orderflow-reconcile"
	registry, err := ops.NewMetrics(service)
	if err != nil {
		return o, nil, err
	}
	events, eventsErr := c.openEvents(s.KurrentDB, logger)
	pool, poolErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile,
		MaxConns: reconcile.Lookups, ApplicationName: service, Logger: logger,
	})
	clientOptions, optionsErr := temporalclient.Options(service, s.Payloads, logger, registry)
	if err := config.Merge(invalid, eventsErr, poolErr, optionsErr); err != nil {
		return o, nil, err // nothing has connected yet
	}
	dialing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	temporal, err := temporalclient.Dial(dialing, clientOptions, logger)
	if err == nil {
		err = pool.CheckSchema(ctx)
	}
	if err != nil {
		events.Close()
		pool.Close()
		return o, nil, err
	}
	o = reconcile.Options{
		Temporal: temporal, TemporalOptions: clientOptions, Events: events,
		Rows: postgres.NewFulfillments(pool, postgres.EmailRules{}), Logger: logger,
		Attributes: s.Attributes, Stream: s.Subscription.Stream, Group: s.Subscription.Group,
	}
	return o, func() { temporal.Close(); pool.Close(); events.Close() }, nil
}
