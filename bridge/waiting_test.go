package bridge

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/metric/noop"

	"orderflow/internal/kurrent"
)

func TestWaitingEvents(t *testing.T) {
	t.Parallel()
	const roomy = 10
	held := func(eventType string, revision uint64, coalesce string) *heldEvent {
		event := &kurrent.Event{Stream: "order-1", Type: eventType, Revision: revision}
		return &heldEvent{delivery: kurrent.Delivery{Event: event}, coalesce: coalesce}
	}
	placed, paid := held("order-placed", 0, ""), held("order-paid", 1, "")
	first, second := held("order-cancellation-requested", 2, "order-1"), held("order-cancellation-requested", 3, "order-1")
	t.Run("covers only an event that says the same", func(t *testing.T) {
		t.Parallel()
		var waiting waitingEvents
		for _, event := range []*heldEvent{placed, first, paid} {
			added, covered := waiting.add(event, ClassBusy, roomy)
			require.True(t, added, event.delivery.Event.Type)
			require.False(t, covered, event.delivery.Event.Type)
		}
		added, covered := waiting.add(second, ClassBusy, roomy)
		require.False(t, added)
		require.True(t, covered)
		waiting.remove(placed)
		waiting.remove(first)
		added, covered = waiting.add(second, ClassBusy, roomy)
		require.True(t, added, "the first has left")
		require.False(t, covered)
	})
	t.Run("covers no event that waits for a key", func(t *testing.T) {
		t.Parallel()
		var waiting waitingEvents
		for _, event := range []*heldEvent{first, second} {
			added, covered := waiting.add(event, ClassUndecodable, roomy)
			require.True(t, added)
			require.False(t, covered)
		}
	})
}

func TestNextStep_OutageStartsTheWaitAnew(t *testing.T) {
	t.Parallel()
	early, down := NotYet(ReasonNoWorkflow, errNoWorkflow), errors.New("down")
	for _, c := range []struct {
		name   string
		errs   []error // of attempts, 20 seconds apart
		parked bool
	}{
		{"in vain for long enough", []error{early, early, early}, true},
		{"an outage in between", []error{early, down, early, early}, false},
		{"in vain after an outage", []error{early, down, early, early, early}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				m, err := newMetrics(noop.NewMeterProvider().Meter(scope), nil)
				require.NoError(t, err)
				b := &Bridge{o: Options{HoldTimeout: 5 * time.Minute, Concurrency: 1, Logger: loggerOr(nil)}, metrics: m}
				event := &heldEvent{delivery: kurrent.Delivery{Event: &kurrent.Event{}}, release: func() {}}
				began := time.Now()
				var done bool
				for _, attempted := range c.errs {
					_, done, err = b.nextStep(t.Context(), event, time.Since(began), "", attempted)
					<-time.After(20 * time.Second) // in the bubble's time
				}
				require.Equal(t, c.parked, done, "%v", err)
				if c.parked {
					require.EqualError(t, err, "NO_WORKFLOW: there is no workflow to signal")
				}
			})
		})
	}
}
