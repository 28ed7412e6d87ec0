// Package reconcile compares the placed orders with what Temporal, the credit accounts and
// PostgreSQL say about them, reports where they disagree, and repairs what is safe to
// repair.
//
// It owns what counts as a difference and its remedy (judge.go), and the order in which
// the stores are read. It reads the log itself and no projection's stream, so it finds
// events that the starter never received. It only reads, and starts what is safe to start
// twice: it may run alongside the starter and alongside another comparison. Package
// routes delivers a missing event, as it does for the starter. Package workflows owns the
// workflows that repair an order.
package reconcile

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/config"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
)

const (
	callTimeout   = 10 * time.Second // one call to Temporal
	progressEvery = 50_000           // orders between two progress logs
)

// Options are the stores to compare, and how.
type Options struct {
	Temporal        client.Client
	TemporalOptions client.Options // of the client
	Events          *kurrent.Client
	Rows            Rows
	Logger          *slog.Logger

	Attributes    config.Attributes // of workflows that are started
	Stream, Group string            // the starter's subscription
	Since         time.Time         // only orders placed then or later; zero means all
	Cutoff        time.Time         // younger orders are left to the starter
	Fix           bool              // start missing orders, and repair held ones
	Credit        bool              // also look for reservations that KurrentDB has lost
	Wait          time.Duration     // for the repairs to take effect
	Listed        int               // how many differences to list; 0 means 100

	// Resume is the progress of a comparison with the same options that ended early; nil
	// begins a new one.
	Resume *Progress

	// Heartbeat, unless nil, is called every few seconds while the comparison proceeds, by
	// one goroutine at a time, with what Resume needs to continue.
	Heartbeat      func(Progress)
	HeartbeatEvery time.Duration // between two calls, and two positions to resume from; 0 means 10s
}

// What a comparison uses unless an operator says otherwise.
const (
	// DefaultGrace is the minimum age of an order whose workflow counts as missing. A
	// working starter starts it within a second. While Temporal is unavailable, the
	// starter holds it for half a message timeout, and then KurrentDB does.
	DefaultGrace = time.Minute

	// DefaultWait is how long to wait for the repairs to take effect.
	DefaultWait = time.Minute
)

// Rows lists the rows of the orders' fulfillments. postgres.Fulfillments implements it.
type Rows interface {
	FindFulfillments(ctx context.Context, orderIDs []string) ([]fulfillment.Row, error)
	ListFulfillments(ctx context.Context, orderID string, since time.Time, limit int) ([]fulfillment.Row, error)
}

// Run compares the stores.
func Run(ctx context.Context, o Options) (*Findings, error) {
	began := time.Now()
	r := newReconciliation(o)
	err := r.run(ctx)
	if errors.Is(err, errNotReached) {
		o.Logger.Warn("restarting comparison", "error", err)
		o.Resume = nil
		r = newReconciliation(o)
		err = r.run(ctx)
	}
	if err != nil {
		return nil, err
	}
	r.report.Seconds = time.Since(began).Round(time.Millisecond).Seconds()
	return r.report, nil
}

// reconciliation is one comparison.
type reconciliation struct {
	temporal client.Client
	events   *kurrent.Client
	orders   streams.Orders
	accounts creditDecisions
	rows     Rows
	parked   parkedEvents
	router   *bridge.Router // starts missing workflows
	decider  *bridge.Router // delivers decisions about credit
	logger   *slog.Logger

	attributes    config.Attributes
	stream, group string
	since         time.Time
	cutoff        time.Time
	wait          time.Duration // for remedies to take effect
	fix           bool
	compareCredit bool

	progress      progress
	report        *Findings
	known         *idSet // orders that were placed
	missing       *idSet
	unknownOrders *idSet // orders that were reported as extra

	queriesUnanswered atomic.Bool // an open workflow did not answer the status query
	parkedMessages    parkedMessages
	pendingRemedies   struct {
		sync.Mutex
		all []pendingRemedy
	}
}

// creditDecisions reads the decisions of credit accounts. streams.CreditAccounts
// implements it.
type creditDecisions interface {
	Decision(ctx context.Context, customerID, orderID string) (decision credit.Decision, decided bool, err error)
}

// parkedEvents visits the events a group has parked. kurrent.Client implements it.
type parkedEvents interface {
	Parked(ctx context.Context, stream, group string, visit func(kurrent.Parked) error) error
}

func newReconciliation(o Options) *reconciliation {
	orders := streams.Orders{Client: o.Events}
	r := &reconciliation{
		temporal: o.Temporal, events: o.Events, orders: orders, rows: o.Rows, parked: o.Events, logger: o.Logger,
		accounts:   streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: o.Events, MaxRequests: Lookups}),
		router:     routes.New(o.Temporal, o.TemporalOptions, orders, o.Attributes),
		decider:    routes.NewDecisions(o.Temporal, o.TemporalOptions, orders, o.Attributes),
		attributes: o.Attributes, stream: o.Stream, group: o.Group, since: o.Since, cutoff: o.Cutoff, wait: o.Wait, fix: o.Fix,
		compareCredit: o.Credit,
		report:        newFindings(o.Listed),
		known:         newIDSet(), missing: newIDSet(), unknownOrders: newIDSet(),
	}
	r.progress.begin(o)
	r.resume(o.Resume)
	return r
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
	err := r.parked.Parked(ctx, r.stream, r.group, func(p kurrent.Parked) error {
		r.progress.beat()
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
			"`orderflow parked replay` restricts that to $admins"
	case err != nil:
		r.report.Uncounted = err.Error()
	}
	return nil
}
