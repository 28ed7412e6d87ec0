package main

import (
	"context"
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// emailMeter counts send attempts by outcome.
type emailMeter struct{ settled *prometheus.CounterVec }

func newEmailMeter(registry prometheus.Registerer) emailMeter {
	m := emailMeter{settled: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_email_total", Help: "Send attempts, by kind of email and resulting state.",
	}, []string{"kind", "status"})}
	for _, kind := range email.Kinds() { // series that start at 0, so that alerts see the first attempt
		for _, status := range []email.Status{email.StatusPending, email.StatusUnknown, email.StatusSent} {
			m.settled.WithLabelValues(string(kind), string(status))
		}
	}
	registry.MustRegister(m.settled)
	return m
}

// EmailSettled counts one attempt. The emails about an order's parcels are one kind.
func (m emailMeter) EmailSettled(kind email.Kind, status email.Status) {
	m.settled.WithLabelValues(string(kind.Base()), string(status)).Inc()
}

// newConflictCounter counts the decisions about credit that are repeated.
func newConflictCounter(registry prometheus.Registerer) prometheus.Counter {
	conflicts := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "orderflow_credit_conflicts_total", Help: "Decisions about credit repeated because another writer changed the account first.",
	})
	registry.MustRegister(conflicts)
	return conflicts
}

// unsettledEmails counts the emails that are pending, and those of which it is unknown
// whether they were sent. It reads the ledger, which includes attempts whose worker died.
func unsettledEmails(ledger *postgres.EmailLedger) globalCount {
	return globalCount{
		name: "emails", desc: prometheus.NewDesc("orderflow_emails", "Emails that are not settled, by state.", []string{"status"}, nil),
		count: func(ctx context.Context) (map[string]int64, error) {
			pending, unknown, err := ledger.CountUnsettledEmails(ctx)
			return map[string]int64{string(email.StatusPending): pending, string(email.StatusUnknown): unknown}, err
		},
	}
}

// otherStep is the label of orders stuck at a step unknown to this worker, which are
// those of a newer version.
const otherStep = "other"

// stuckOrders counts the open workflows that are stuck, by step. It queries Temporal
// rather than count in this process, so that the count is right after a restart.
// Visibility groups by ExecutionStatus alone, so each step needs its own query, which is
// made only if any order is stuck.
func stuckOrders(c client.Client, namespace string, steps []string) globalCount {
	count := func(ctx context.Context, condition string) (int64, error) {
		return countRunning(ctx, c, namespace, workflows.StuckAttribute+condition)
	}
	return globalCount{
		name: "stuck", desc: prometheus.NewDesc("orderflow_orders_stuck", "Orders that cannot proceed, by step.", []string{"step"}, nil),
		count: func(ctx context.Context) (map[string]int64, error) {
			rest, err := count(ctx, ` IS NOT NULL`)
			found := map[string]int64{}
			for _, step := range steps {
				if err == nil && rest > 0 {
					found[step], err = count(ctx, fmt.Sprintf(` = %q`, step))
				} else {
					found[step] = 0
				}
				rest -= found[step]
			}
			found[otherStep] = max(0, rest) // an order may proceed between two queries
			return found, err
		},
	}
}

// countRunning counts the open workflows that meet a condition.
func countRunning(ctx context.Context, c client.Client, namespace, condition string) (int64, error) {
	counted, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
		Namespace: namespace, Query: `ExecutionStatus = "Running" AND ` + condition,
	})
	return counted.GetCount(), err
}

// lateOrders counts the orders that wait longer for their shipment than SHIP_BY.
func lateOrders(c client.Client, namespace string) globalCount {
	return globalCount{
		name: "late", desc: prometheus.NewDesc("orderflow_orders_late", "Orders that wait longer for their shipment than SHIP_BY.", nil, nil),
		count: func(ctx context.Context) (map[string]int64, error) {
			n, err := countRunning(ctx, c, namespace, workflows.LateAttribute+" = true")
			return map[string]int64{"": n}, err
		},
	}
}

// heldAges are the ages by which held orders are counted, as the label shows them.
var heldAges = []struct {
	label string
	age   time.Duration
}{{"0s", 0}, {"1h", time.Hour}, {"24h", 24 * time.Hour}, {"168h", 7 * 24 * time.Hour}}

// heldOrders counts the orders on hold that are older than each age, which is cumulative
// like the buckets of a histogram. An order is held a moment after its workflow started.
// The age of one that continued as new is that of its newest run.
func heldOrders(c client.Client, namespace string, now func() time.Time) globalCount {
	return globalCount{
		name: "held", desc: prometheus.NewDesc("orderflow_orders_held", "Orders on hold, by how long ago their workflow started.",
			[]string{"older_than"}, nil),
		count: func(ctx context.Context) (map[string]int64, error) {
			at, found, rest := now(), map[string]int64{}, int64(1)
			for _, held := range heldAges {
				if rest > 0 { // none can be older than those that are not there
					condition := fmt.Sprintf("WorkflowType = %q AND %s = %q AND StartTime <= %q", workflows.OrderFulfillmentType,
						workflows.StatusAttribute, order.StatusOnHold, at.Add(-held.age).UTC().Format(time.RFC3339Nano))
					var err error
					if rest, err = countRunning(ctx, c, namespace, condition); err != nil {
						return nil, err
					}
				}
				found[held.label] = rest
			}
			return found, nil
		},
	}
}
