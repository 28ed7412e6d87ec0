package bridge

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
)

func (r *rig) awaitGauges(want map[string]float64) {
	r.Helper()
	require.EventuallyWithT(r, func(c *assert.CollectT) {
		for name, value := range want {
			require.InDelta(c, value, r.meter.Gauge("orderflow_bridge_"+name), 0, name)
		}
	}, longEnough, waitTick)
}

func TestMeasure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.options.MeasureInterval = 10 * time.Millisecond
	stop := r.run()
	r.awaitJoined()
	r.awaitGauges(map[string]float64{
		"group_consumers": 1, "group_lag_events": 0, "group_lag_seconds": 0, "group_in_flight_events": 0, "parked_events": 0,
		"projection_running": 1,
	})
	t.Run("counts parked events in the parked stream, where a drop removes them", func(t *testing.T) {
		unread := newEvent("ticket-opened")
		unread.Data = []byte("[]")
		r.append(newTicket(), unread)
		r.awaitGauges(map[string]float64{"parked_events": 1})
		parked := r.options.KurrentDB.Parked(ticketStream, ticketGroup)
		all, err := parked.Select(t.Context())
		require.NoError(t, err)
		require.NoError(t, parked.Drop(t.Context(), all))
		r.awaitGauges(map[string]float64{"parked_events": 0})
	})
	t.Run("measures the delay of an event that had an effect, and of no other", func(t *testing.T) {
		ticket := newTicket()
		opened := newEvent("ticket-opened")
		r.append(ticket, opened)
		r.append(newTicket(), newEvent("ticket-ignored"))
		r.append(newTicket(), newEvent("of no route"))
		r.awaitCounts(map[Result]int{Started: 1, Ignored: 2})
		for eventType, count := range map[string]int{"ticket-opened": 1, "ticket-ignored": 0, "of no route": 0} {
			require.Equal(t, count, r.meter.Recorded("orderflow_bridge_delay", eventType), eventType)
		}
	})
	t.Run("shows that the projection stops", func(t *testing.T) {
		projections := kurrentdb.NewProjectionClientFromExistingClient(kurrentsimtest.OfficialClient(t, r.url))
		require.NoError(t, projections.Disable(t.Context(), "$by_category", kurrentdb.GenericProjectionOptions{}))
		r.awaitGauges(map[string]float64{"projection_running": 0})
	})
	stop()
	require.InDelta(t, -1, r.meter.Gauge("orderflow_bridge_group_consumers"), 0, "a bridge that has ended knows nothing")
}

// The group holds what it cannot finish, and says how old it is.
func TestMeasure_Lag(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.options.MeasureInterval = 10 * time.Millisecond
	require.NoError(t, errOf(r.options.KurrentDB.EnsureGroup(t.Context(), r.options.Subscription)))
	for range 100 { // more than the group keeps back before it writes its checkpoint
		r.append(newTicket(), newEvent("ticket-opened"))
	}
	b := r.prepare()
	require.Eventually(t, func() bool { return b.measureGroup(t.Context()) == nil && b.state.value(b.state.lagEvents) > 0 }, longEnough, waitTick)
	require.Positive(t, b.state.value(b.state.lagSeconds))
	require.Zero(t, b.state.value(b.state.consumers))
}

func TestMeasure_Failures(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	b := r.prepare()
	end, err := b.state.export()
	require.NoError(t, err)
	defer end()
	b.measureOnce(t.Context())
	require.InDelta(t, -1, r.meter.Gauge("orderflow_bridge_group_consumers"), 0, "there is no group yet")
	require.InDelta(t, 0, r.meter.Gauge("orderflow_bridge_parked_events"), 0)
	require.Zero(t, r.meter.Value("orderflow_bridge_group_read_failures", "group"))

	r.options.KurrentDB.Close()
	b.measureOnce(t.Context())
	for _, source := range []string{"group", "parked", "projection"} {
		require.Equal(t, 1, r.meter.Value("orderflow_bridge_group_read_failures", source), source)
	}
}

func errOf[A, B any](_ A, _ B, err error) error { return err }

func (m *groupMetrics) value(gauge any) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	for found, s := range m.samples {
		if any(found) == gauge {
			return s.value
		}
	}
	return -1
}
