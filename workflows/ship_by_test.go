package workflows_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/activities"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// newLateEnv returns the environment of an order that should ship within two hours.
func newLateEnv(t *testing.T) *orderEnv {
	t.Helper()
	e := newParcelEnv(t)
	e.shipBy = e.env.Now().Add(2 * time.Hour)
	return e
}

func TestShipBy(t *testing.T) {
	t.Parallel()
	t.Run("an order that waits longer is late until it has shipped", func(t *testing.T) {
		t.Parallel()
		e := newLateEnv(t)
		e.after(time.Hour, func() {
			require.False(t, e.query().Late)
			require.Equal(t, e.shipBy.Unix(), e.query().ShipBy.Unix())
			e.signal(workflows.RecordShipmentMessage, parcel("1", 1, 1))
		})
		e.after(3*time.Hour, func() { require.True(t, e.query().Late, "a part of it waits") })
		e.after(4*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("2")) })
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.False(t, e.state().Late)
		require.NotContains(t, e.calls(), "email cancellation")
	})
	t.Run("one that ships in time is not late", func(t *testing.T) {
		t.Parallel()
		e := newLateEnv(t)
		e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.run()
		require.False(t, e.state().Late)
	})
	t.Run("one that is late may be canceled", func(t *testing.T) {
		t.Parallel()
		e := newLateEnv(t)
		e.after(3*time.Hour, func() { e.signal(workflows.CancelOrderMessage, cancelOrder) })
		e.run()
		require.Equal(t, order.StatusCancelled, e.state().Status)
		require.False(t, e.state().Late)
	})
	for name, send := range map[string]func(*orderEnv){
		"one that cannot be canceled, because a parcel has left, is late": func(e *orderEnv) {
			e.update(workflows.CancelOrderMessage, cancelOrder)
		},
		"one that does not ship, because a parcel does not fit, is late": func(e *orderEnv) { e.ship(parcel("2", 1, 2, 2, 3)) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newLateEnv(t)
			e.after(time.Hour, func() {
				e.row.Parcels = []order.Parcel{unknownParcel()}
				send(e)
			})
			e.after(90*time.Minute, func() { require.False(t, e.query().Late) })
			e.after(3*time.Hour, func() {
				require.True(t, e.query().Late)
				e.signal(workflows.RecordShipmentMessage, parcel("3"))
			})
			e.run()
			require.Equal(t, order.StatusShipped, e.state().Status)
			require.False(t, e.state().Late)
		})
	}
	t.Run("a run that begins after the time is late at once", func(t *testing.T) {
		t.Parallel()
		e := newLateEnv(t)
		e.shipBy = e.env.Now().Add(-time.Hour)
		e.after(time.Minute, func() {
			require.True(t, e.query().Late)
			e.signal(workflows.RecordShipmentMessage, shipment)
		})
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
	})
}

func TestShipBy_OnServer(t *testing.T) {
	t.Parallel()
	t.Run("sets the search attribute, which the order's end unsets", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.stores.shipBy = time.Now().Add(time.Second).UTC()
		o.startWorker()
		o.start()
		o.eventually("the order is late", func() bool { return o.attribute(workflows.LateAttribute) == "true" })
		o.record("late-and-waiting-for-shipment", "")
		o.signal(workflows.RefreshSignal, nil)
		o.signal(workflows.RecordShipmentMessage, shipment)
		state, err := o.result()
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, state.Status)
		require.Contains(t, []string{"", "null"}, o.attribute(workflows.LateAttribute))
		o.record("late-and-shipped", "")
	})
	t.Run("continues with the run that continues as new", func(t *testing.T) {
		t.Parallel()
		o := newOrderOnServer(t)
		o.stores.shipBy = time.Now().Add(time.Hour).UTC()
		o.startWorker()
		o.start()
		o.awaitStatus(order.StatusFulfilling)
		first := o.describe().GetWorkflowExecutionInfo().GetExecution().GetRunId()
		o.stopWorker()
		o.fillHistory()
		o.startWorker()
		o.awaitContinued(first)
		o.awaitStatus(order.StatusFulfilling)
		state, _ := o.query()
		require.Equal(t, o.stores.shipBy.Unix(), state.ShipBy.Unix())
		o.signal(workflows.RecordShipmentMessage, shipment)
		_, err := o.result()
		require.NoError(t, err)
		o.record("in-time-and-continued", "")
	})
}

// A row of an order that is never late has no time.
func TestShipBy_Off(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.row = &activities.Fulfillment{Status: order.StatusFulfilling}
	e.after(1000*time.Hour, func() {
		require.False(t, e.query().Late)
		require.True(t, e.query().ShipBy.IsZero())
		e.signal(workflows.RecordShipmentMessage, shipment)
	})
	e.run()
	require.Equal(t, order.StatusShipped, e.state().Status)
}
