package emailevents_test

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/emailevents"
	"orderflow/internal/ses"
)

// oneMessage is a queue with a message that is received whenever it is asked for.
type oneMessage struct {
	body     string
	receives atomic.Int64
	deleted  chan struct{}
}

func (q *oneMessage) Receive(ctx context.Context, _ int) ([]ses.QueueMessage, error) {
	select {
	case <-q.deleted:
		<-ctx.Done()
		return nil, ctx.Err()
	default:
		return []ses.QueueMessage{{ID: "m-1", Body: q.body, Receives: int(q.receives.Add(1))}}, nil
	}
}

func (q *oneMessage) Delete(context.Context, []ses.QueueMessage) error {
	close(q.deleted)
	return nil
}

func (q *oneMessage) Postpone(context.Context, ses.QueueMessage, time.Duration) error { return nil }

// failing is a ledger that is down for the first calls.
type failing struct{ calls atomic.Int64 }

func (f *failing) RecordEmailEvent(context.Context, email.Event) (email.Recorded, error) {
	if f.calls.Add(1) <= 3 {
		return email.Recorded{}, errors.New("the ledger is down")
	}
	return email.Recorded{Before: email.StatusSent}, nil
}

type published struct{}

func (published) PublishEmailEvent(context.Context, email.Event, email.Recorded) error { return nil }

// A queue takes away what is received too often, so an outage must cost one receive.
func TestConsumer_OutageCostsOneReceive(t *testing.T) {
	t.Parallel()
	queue := &oneMessage{deleted: make(chan struct{}), body: `{"eventType":"Send","mail":{"timestamp":"2025-03-01T12:00:00Z","messageId":"m-1",
		"tags":{"ses:configuration-set":["orders"],"order_id":["order-1"],"kind":["confirmation"],"attempt":["1"]}}}`}
	ledger := &failing{}
	consumer := &emailevents.Consumer{
		Queue: queue, Ledger: ledger, Publisher: published{}, Metrics: emailevents.NewMetrics(prometheus.NewRegistry()),
		Logger: slog.New(slog.DiscardHandler), ConfigurationSet: "orders",
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); consumer.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	select {
	case <-queue.deleted:
	case <-time.After(patience):
		require.Fail(t, "the message was not handled")
	}
	require.EqualValues(t, 1, queue.receives.Load())
	require.EqualValues(t, 4, ledger.calls.Load())
}
