package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
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

// unsettledEmails shows how many mails wait, and of how many nobody knows whether they were sent. It asks the ledger, where
// an attempt whose worker died counts as well.
type unsettledEmails struct {
	store  *postgres.Store
	logger *slog.Logger
}

func unsettledDescription() *prometheus.Desc {
	return prometheus.NewDesc("orderflow_emails", "Mails that are not settled, by state.", []string{"status"}, nil)
}

// Describe names the one metric there is.
func (u unsettledEmails) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- unsettledDescription()
}

// Collect counts on each scrape; without an answer there is no sample.
func (u unsettledEmails) Collect(samples chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), countTimeout)
	defer cancel()
	pending, unknown, err := u.store.UnsettledEmails(ctx)
	if err != nil {
		u.logger.Warn("mails cannot be counted", "error", err)
		return
	}
	for status, n := range map[email.Status]int64{email.StatusPending: pending, email.StatusUnknown: unknown} {
		samples <- prometheus.MustNewConstMetric(unsettledDescription(), prometheus.GaugeValue, float64(n), string(status))
	}
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
