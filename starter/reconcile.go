package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/config"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/subcommand"
	"orderflow/internal/temporalclient"
)

const (
	// defaultGrace is the minimum age of an order whose workflow counts as missing. A
	// working bridge starts it within a second. While Temporal is unavailable, the bridge
	// holds it for half a message timeout, and then KurrentDB does.
	defaultGrace = time.Minute

	defaultWait = time.Minute // for the remedies that --fix has started

	maxWait = time.Hour

	progressEvery = 50_000 // orders between two progress logs
)

// reconcileSettings are the settings of a comparison, which needs all three stores.
type reconcileSettings struct {
	config.Log
	config.KurrentDB
	config.Postgres
	Subscription subscription
}

// reconciliation compares the placed orders with what Temporal, the credit accounts and
// PostgreSQL say about them. It reads the log itself and no projection's stream, so it
// finds events that the bridge never received. It only reads, and starts what is safe to
// start twice. So it may run alongside the bridge and alongside another reconciliation.
type reconciliation struct {
	temporal client.Client
	events   *kurrent.Client
	accounts creditDecisions
	rows     fulfillments
	parked   parkedEvents
	bridge   *bridge // starts missing workflows; only its events, temporal and payloads are set
	settings subscription
	logger   *slog.Logger

	since  time.Time     // only orders placed then or later; zero means all
	cutoff time.Time     // younger orders are left to the bridge
	wait   time.Duration // for remedies to take effect
	fix    bool

	report        findings
	known         *idSet // orders that were placed
	missing       *idSet
	unknownOrders *idSet // orders that were reported as extra

	queriesUnanswered atomic.Bool // an open workflow did not answer the status query
	pendingRemedies   struct {
		sync.Mutex
		all []pendingRemedy
	}
}

// creditDecisions reads the decisions of credit accounts. kurrent.CreditAccounts
// implements it.
type creditDecisions interface {
	Decision(ctx context.Context, customerID, orderID string) (decision credit.Decision, decided bool, err error)
}

// parkedEvents visits the events a group has parked. kurrent.Client implements it.
type parkedEvents interface {
	Parked(ctx context.Context, stream, group string, visit func(kurrent.Parked) error) error
}

// fulfillments lists the rows of the orders' fulfillments. postgres.Store implements it.
type fulfillments interface {
	Fulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error)
	FulfillmentsAfter(ctx context.Context, orderID string, since time.Time, limit int) ([]fulfillment.Row, error)
}

// differencesLeft is the error of a comparison that succeeded and left differences it
// could not, or was not asked to, repair.
type differencesLeft struct{ n int }

func (e *differencesLeft) Error() string { return fmt.Sprintf("reconcile: %d differences left", e.n) }

// timeFlag is a flag that holds a time. It also parses a duration before now.
type timeFlag struct {
	now  time.Time
	time time.Time
}

func (m *timeFlag) String() string { return "" }

func (m *timeFlag) Set(text string) error {
	if ago, err := time.ParseDuration(text); err == nil && ago > 0 {
		m.time = m.now.Add(-ago)
		return nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil || at.After(m.now) {
		return errors.New("must be a duration such as 24h, or a time in the past such as 2025-01-31T09:00:00Z")
	}
	m.time = at
	return nil
}

// reconcile compares the stores and prints the findings. It returns a *differencesLeft,
// for exit code 3, if differences are left.
func reconcile(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	began := time.Now()
	since, output := timeFlag{now: began}, subcommand.OutputFlag(flags)
	flags.Var(&since, "since", "check orders placed since this `time`, or within this duration; default all")
	fix := flags.Bool("fix", false, "start missing orders, and repair held ones")
	grace := flags.Duration("grace", defaultGrace, "skip orders placed within this `time`: the bridge may be starting them")
	wait := flags.Duration("wait", defaultWait, "with --fix, how long to wait for repairs")
	_, invalid := c.Parse(flags)
	if errors.Is(invalid, flag.ErrHelp) {
		return invalid
	}
	invalid = config.Merge(invalid, checkDuration("--grace", *grace), checkDuration("--wait", *wait))
	r, closeAll, err := openReconciliation(ctx, c, invalid)
	if err != nil {
		return err
	}
	defer closeAll()
	r.since, r.cutoff, r.wait, r.fix = since.time, began.Add(-*grace), *wait, *fix
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	r.report.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	err = output.Print(c.Stdout, &r.report, r.report.print)
	if err == nil && r.report.Left > 0 {
		err = &differencesLeft{n: r.report.Left}
	}
	return err
}

func checkDuration(name string, d time.Duration) error {
	if d < 0 || d > maxWait {
		return config.Invalid(name, "must be from 0s to 1h")
	}
	return nil
}

// openReconciliation reads the settings and connects. invalid is the error of the
// arguments: all errors are reported at once.
func openReconciliation(ctx context.Context, c subcommand.Call, invalid error) (*reconciliation, func(), error) {
	s, settingsErr := config.Load[reconcileSettings](c.Environ)
	logger := s.Logger(c.Stderr)
	registry, err := ops.NewMetrics("starter-reconcile")
	if err != nil {
		return nil, nil, err
	}
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, AllowPlaintext: s.KurrentDB.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	store, storeErr := postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, MaxConns: lookups, ApplicationName: "orderflow-reconcile", Logger: logger,
	})
	options, optionsErr := temporalclient.Options("starter-reconcile", logger, registry)
	if err := config.Merge(invalid, settingsErr, eventsErr, storeErr, optionsErr); err != nil {
		return nil, nil, err // nothing has connected yet
	}
	dialing, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	temporal, err := temporalclient.Dial(dialing, options, logger)
	if err == nil {
		err = store.CheckSchema(ctx)
	}
	if err != nil {
		events.Close()
		store.Close()
		return nil, nil, err
	}
	r := newReconciliation(temporal, events, store, logger)
	r.settings, r.bridge.payloads = s.Subscription, temporalclient.NewPayloads(options)
	return r, func() { temporal.Close(); store.Close(); events.Close() }, nil
}

func newReconciliation(temporal client.Client, events *kurrent.Client, rows fulfillments, logger *slog.Logger) *reconciliation {
	return &reconciliation{
		temporal: temporal, events: events, rows: rows, parked: events, logger: logger,
		accounts: kurrent.NewCreditAccounts(kurrent.CreditAccountsConfig{Client: events}),
		bridge:   &bridge{temporal: temporal, events: events},
		report:   findings{Differences: []*difference{}},
		known:    newIDSet(), missing: newIDSet(), unknownOrders: newIDSet(),
	}
}

// run compares in both directions: the placed orders with the stores, and the stores with
// the placed orders.
func (r *reconciliation) run(ctx context.Context) error {
	for _, check := range []func(context.Context) error{
		r.checkOrders, r.checkRows, r.checkWorkflows, r.awaitRemedies, r.countParked,
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// countParked counts the order-placed events that the group has parked, except those
// reported as missing. If the user may not read them, or the server does not answer, the
// comparison is still valid, and the report says why there is no count.
func (r *reconciliation) countParked(ctx context.Context) error {
	err := r.parked.Parked(ctx, r.settings.Stream, r.settings.Group, func(p kurrent.Parked) error {
		e := p.Event
		if e == nil || e.Type != order.TypePlaced && e.Type != order.TypePlacedAlias || e.Created.Before(r.since) {
			return nil
		}
		if !r.missing.has(e.Stream) {
			r.report.Parked++
		}
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, kurrent.ErrAccessDenied):
		r.report.Uncounted = "the user of KURRENTDB_URL may not read them; a replay by a program other than " +
			"`starter parked replay` restricts that to $admins"
	case err != nil:
		r.report.Uncounted = err.Error()
	}
	return nil
}
