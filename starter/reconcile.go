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
	// defaultGrace is how old an order has to be for its workflow to be missed. A bridge that is at work starts it within
	// a second; one whose Temporal is away holds it for half a message timeout, and then KurrentDB does.
	defaultGrace = time.Minute

	defaultWait = time.Minute // for what --fix has started

	maxWait = time.Hour

	progressEvery = 50_000 // orders between two lines in the log
)

// reconcileSettings are what comparing the stores needs: all three of them.
type reconcileSettings struct {
	config.Log
	Subscription subscription
	PostgresURL  string `env:"POSTGRES_URL,required"`
}

// Validate checks what the form of a value does not tell.
func (s reconcileSettings) Validate() []config.Fault { return s.Subscription.faults() }

// reconciliation compares the orders that were placed with what Temporal, the credit accounts and PostgreSQL say about them.
// It reads the log itself and no projection's stream, so it finds what the bridge was never given. It only ever looks, and
// starts what is safe to start twice, so it may run beside the bridge and beside itself.
type reconciliation struct {
	temporal client.Client
	events   *kurrent.Client
	accounts creditDecisions
	rows     fulfillments
	parked   parkedEvents
	bridge   *bridge // starts what is missing: its events and temporal alone are set
	settings subscription
	logger   *slog.Logger

	since   time.Time     // only what was placed then or later; zero is all
	horizon time.Time     // what is younger is left to the bridge
	wait    time.Duration // for what was mended
	fix     bool

	report    findings
	known     *idSet // orders that were placed
	missing   *idSet
	strangers *idSet // orders that were reported as extra

	unanswered atomic.Bool // an open workflow did not answer the status query
	mendings   struct {
		sync.Mutex
		all []mending
	}
}

// creditDecisions reads what credit accounts decided. The real one is kurrent.CreditAccounts.
type creditDecisions interface {
	Decision(ctx context.Context, customerID, orderID string) (decision credit.Decision, decided bool, err error)
}

// parkedEvents visits what a group has put aside. The real one is kurrent.Client.
type parkedEvents interface {
	Parked(ctx context.Context, stream, group string, visit func(kurrent.Parked) error) error
}

// fulfillments lists what is written about the orders' fulfilments. The real one is postgres.Store.
type fulfillments interface {
	Fulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error)
	FulfillmentsAfter(ctx context.Context, orderID string, since time.Time, limit int) ([]fulfillment.Row, error)
}

// differencesLeft is a comparison that went well and found what it could not, or was not to, mend.
type differencesLeft struct{ n int }

func (e *differencesLeft) Error() string { return fmt.Sprintf("reconcile: %d differences left", e.n) }

// moment is a flag that holds a time, or how long ago it was.
type moment struct {
	now  time.Time
	time time.Time
}

func (m *moment) String() string { return "" }

func (m *moment) Set(text string) error {
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

// reconcile compares the stores, prints what it found, and ends with 3 when differences are left.
func reconcile(ctx context.Context, c subcommand.Call) error {
	flags := flag.NewFlagSet(c.Name, flag.ContinueOnError)
	began := time.Now()
	since, as := moment{now: began}, subcommand.OutputFlag(flags)
	flags.Var(&since, "since", "look at what was placed since a `time`, or for so long; all without it")
	fix := flags.Bool("fix", false, "start what is missing, and repair what is held")
	grace := flags.Duration("grace", defaultGrace, "leave out orders that were placed within this `time`: the bridge is at them")
	wait := flags.Duration("wait", defaultWait, "with --fix, how long to wait for repairs")
	_, invalid := c.Parse(flags)
	if errors.Is(invalid, flag.ErrHelp) {
		return invalid
	}
	invalid = config.Merge(invalid, bounded("--grace", *grace), bounded("--wait", *wait))
	r, closeAll, err := openReconciliation(ctx, c, invalid)
	if err != nil {
		return err
	}
	defer closeAll()
	r.since, r.horizon, r.wait, r.fix = since.time, began.Add(-*grace), *wait, *fix
	if err := r.run(ctx); err != nil {
		return fmt.Errorf("reconcile: %w", err)
	}
	r.report.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	err = as.Print(c.Stdout, &r.report, r.report.print)
	if err == nil && r.report.Left > 0 {
		err = &differencesLeft{n: r.report.Left}
	}
	return err
}

func bounded(name string, d time.Duration) error {
	if d < 0 || d > maxWait {
		return config.Invalid(name, "must be from 0s to 1h")
	}
	return nil
}

// openReconciliation reads the settings and connects. invalid is what was wrong with the arguments: all faults are reported
// at once.
func openReconciliation(ctx context.Context, c subcommand.Call, invalid error) (*reconciliation, func(), error) {
	s, settingsErr := config.Load[reconcileSettings](c.Environ)
	logger := s.Logger(c.Stderr)
	registry, err := ops.NewMetrics("starter-reconcile")
	if err != nil {
		return nil, nil, err
	}
	events, eventsErr := kurrent.Open(kurrent.Config{
		URL: s.Subscription.URL, AllowPlaintext: s.Subscription.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	store, storeErr := postgres.Open(ctx, postgres.Config{
		URL: s.PostgresURL, MaxConns: lookups, ApplicationName: "orderflow-reconcile", Logger: logger,
	})
	options, optionsErr := temporalclient.Options("starter-reconcile", logger, registry)
	if err := config.Merge(invalid, settingsErr, eventsErr, storeErr, optionsErr); err != nil {
		return nil, nil, err // nothing has connected yet
	}
	dialling, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	temporal, err := temporalclient.Dial(dialling, options, logger)
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
		known:    newIDSet(), missing: newIDSet(), strangers: newIDSet(),
	}
}

// run compares in both directions: what was placed with what there is, and what there is with what was placed.
func (r *reconciliation) run(ctx context.Context) error {
	for _, check := range []func(context.Context) error{
		r.checkOrders, r.checkRows, r.checkWorkflows, r.awaitMended, r.countParked,
	} {
		if err := check(ctx); err != nil {
			return err
		}
	}
	return nil
}

// countParked counts the order-placed events that the group has put aside, but for those that were found missing. That the
// user may not read them, or the server does not answer, makes the comparison no less true: the report says so.
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
		r.report.Uncounted = "the user of KURRENTDB_URL may not read them; a replay by another program than " +
			"`starter parked replay` leaves that to $admins"
	case err != nil:
		r.report.Uncounted = err.Error()
	}
	return nil
}
