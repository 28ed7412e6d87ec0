package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/email"
)

// emailMeter counts mails by what became of them.
type emailMeter struct{ settled *prometheus.CounterVec }

func newEmailMeter(registry prometheus.Registerer) emailMeter {
	m := emailMeter{settled: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "orderflow_email_total", Help: "Send attempts by kind of mail and by the state they left it in.",
	}, []string{"kind", "status"})}
	registry.MustRegister(m.settled)
	return m
}

// EmailSettled counts one attempt.
func (m emailMeter) EmailSettled(kind email.Kind, status email.Status) {
	m.settled.WithLabelValues(string(kind), string(status)).Inc()
}

// countTimeout bounds the question that a scrape asks; one that fails shows as -1.
const countTimeout = 2 * time.Second

// stuckGauge counts the orders whose compensation cannot proceed. It asks Temporal rather than count in this process, so
// that it is true after a restart and the same from every worker.
func stuckGauge(c client.Client, namespace string, logger *slog.Logger) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "orderflow_compensation_stuck", Help: "Orders whose compensation cannot proceed, -1 when Temporal does not say.",
	}, func() float64 {
		ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
		defer cancel()
		answer, err := c.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{
			Namespace: namespace, Query: `ExecutionStatus = "Running" AND OrderStatus = "cancelling"`,
		})
		if err != nil {
			logger.Warn("stuck compensations cannot be counted", "error", err)
			return -1
		}
		return float64(answer.GetCount())
	})
}
