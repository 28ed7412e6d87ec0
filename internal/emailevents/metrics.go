package emailevents

import (
	"cmp"

	"github.com/prometheus/client_golang/prometheus"

	"orderflow/internal/email"
)

// Result is what became of a message of the queue.
type Result string

// The results. The last four leave the message in the queue.
const (
	ResultRecorded  Result = "recorded"
	ResultSettled   Result = "settled"   // recorded, and it settled an email whose outcome was unknown
	ResultIgnored   Result = "ignored"   // it says nothing about delivery
	ResultForeign   Result = "foreign"   // it is about the email of another program or environment
	ResultMalformed Result = "malformed" // it cannot be read
	ResultNoEmail   Result = "no-email"  // the ledger has no such email
	ResultRefused   Result = "refused"   // its order has too many, or its stream was tombstoned
)

// The work that is retried.
const (
	workReceive  = "receive"
	workRecord   = "record"
	workDelete   = "delete"
	workPostpone = "postpone"
)

// otherType is the label of messages that are no event about delivery.
const otherType = "other"

// Metrics counts the messages of the queue.
type Metrics struct{ events, retries *prometheus.CounterVec }

// NewMetrics registers the metrics.
func NewMetrics(registry prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_email_events_total", Help: "Messages of the queue of email events, by type of event and result.",
		}, []string{"type", "result"}),
		retries: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "orderflow_email_events_retries_total", Help: "Failed calls to the queue of email events and to the stores behind it, by work.",
		}, []string{"work"}),
	}
	// A series that starts at 0 can trigger an alert at its first failure.
	for _, work := range []string{workReceive, workRecord, workDelete, workPostpone} {
		m.retries.WithLabelValues(work)
	}
	for _, result := range []Result{ResultForeign, ResultMalformed} {
		m.events.WithLabelValues(otherType, string(result))
	}
	for _, t := range email.EventTypes() {
		for _, result := range []Result{ResultNoEmail, ResultRefused} {
			m.events.WithLabelValues(string(t), string(result))
		}
	}
	registry.MustRegister(m.events, m.retries)
	return m
}

func (m *Metrics) count(t email.EventType, result Result) {
	m.events.WithLabelValues(cmp.Or(string(t), otherType), string(result)).Inc()
}

func (m *Metrics) retry(work string) { m.retries.WithLabelValues(work).Inc() }
