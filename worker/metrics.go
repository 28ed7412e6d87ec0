package main

import (
	"context"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// emailMeter counts send attempts by outcome.
type emailMeter struct{ settled *prometheus.CounterVec }

func newEmailMeter(registry prometheus.Registerer) emailMeter {
	m := emailMeter{settled: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_email_total", Help: "Send attempts, by kind of email and resulting state.",
	}, []string{"kind", "status"})}
	registry.MustRegister(m.settled)
	return m
}

// EmailSettled counts one attempt.
func (m emailMeter) EmailSettled(kind email.Kind, status email.Status) {
	m.settled.WithLabelValues(string(kind), string(status)).Inc()
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
		answer, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: namespace, Query: `ExecutionStatus = "Running" AND ` + workflows.StuckAttribute + condition,
		})
		return answer.GetCount(), err
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
