package workflows_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/history/v1"

	"orderflow/activities"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// parcel is a shipment of lines, given as pairs of a line and a quantity.
func parcel(number string, lines ...int) workflows.RecordShipment {
	m := workflows.RecordShipment{Carrier: "DHL", TrackingNumber: number}
	for i := 0; i < len(lines); i += 2 {
		m.Lines = append(m.Lines, order.ParcelLine{Line: lines[i], Quantity: lines[i+1]})
	}
	return m
}

// newParcelEnv returns the environment of an order of 2 and 3 pieces.
func newParcelEnv(t *testing.T) *orderEnv {
	t.Helper()
	e := newOrderEnv(t)
	e.ordered = []int{2, 3}
	return e
}

func (e *orderEnv) ship(m workflows.RecordShipment) *updateResult {
	return e.update(workflows.RecordShipmentMessage, m)
}

func TestParcels(t *testing.T) {
	t.Parallel()
	t.Run("the last one ships all that is left", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		var first, cancel, again *updateResult
		e.after(time.Hour, func() { first = e.ship(parcel("1", 1, 1, 2, 3)) })
		e.after(2*time.Hour, func() {
			cancel, again = e.update(workflows.CancelOrderMessage, cancelOrder), e.ship(parcel("1", 2, 3, 1, 1))
			state := e.query()
			require.Equal(t, order.StatusFulfilling, state.Status)
			require.Equal(t, order.CreditReserved, state.Credit)
			require.Empty(t, state.Carrier)
			require.Len(t, state.Parcels, 1)
		})
		e.after(3*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("2")) })
		e.run()
		require.NoError(t, first.err)
		require.Equal(t, order.StatusFulfilling, first.state.Status)
		require.ErrorContains(t, cancel.rejected, "the order is shipping")
		require.NoError(t, again.err, "the same parcel")
		state := e.state()
		require.Equal(t, order.StatusShipped, state.Status)
		require.Equal(t, order.CreditReserved, state.Credit)
		require.Equal(t, "2", state.TrackingNumber)
		require.Equal(t, []order.ParcelLine{{Line: 1, Quantity: 1}}, state.Parcels[1].Lines)
		require.Equal(t, map[string]string{"confirmation": "sent", "shipment": "sent", "shipment-2": "sent"}, state.Emails)
		e.requireCalls([]string{
			"reserve", "start", "email confirmation", "parcel 1", "email shipment", "close shipped ", "email shipment-2",
		})
	})
	t.Run("one with all lines is the whole order", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("1", 1, 2, 2, 3)) })
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Empty(t, e.state().Parcels)
		e.requireCalls([]string{"reserve", "start", "email confirmation", "close shipped ", "email shipment"})
	})
	t.Run("several are recorded one by one", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		e.after(time.Hour, func() {
			for n := 1; n <= 2; n++ {
				e.signal(workflows.RecordShipmentMessage, parcel(fmt.Sprint(n), n, 1))
			}
			e.signal(workflows.RecordShipmentMessage, parcel("3"))
		})
		e.run()
		require.Len(t, e.state().Parcels, 3)
		require.Equal(t, order.StatusShipped, e.state().Status)
	})
	t.Run("one that was signaled before the fulfillment is recorded once there is one", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		e.decide = held("INSUFFICIENT_CREDIT", 1800)
		e.after(time.Minute, func() {
			e.signal(workflows.RecordShipmentMessage, parcel("1", 1, 1))
			e.signal(workflows.RecordShipmentMessage, parcel("9", 3, 1)) // no such line
		})
		e.after(2*time.Minute, func() { e.signal(workflows.ApproveCreditMessage, workflows.ApproveCredit{By: "op-1"}) })
		e.after(time.Hour, func() {
			require.Len(t, e.query().Parcels, 1)
			e.signal(workflows.RecordShipmentMessage, parcel("2"))
		})
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Len(t, e.state().Parcels, 2)
	})
}

func TestParcels_Cancellation(t *testing.T) {
	t.Parallel()
	t.Run("a native one has no effect from the first parcel on", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("1", 1, 1)) })
		e.after(2*time.Hour, e.env.CancelWorkflow)
		e.after(3*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("2")) })
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
	})
	// As after a reset: the run does not know the parcel before it closes the row.
	t.Run("a row with a parcel is not canceled", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		var cancel *updateResult
		e.after(time.Hour, func() {
			e.row.Parcels = []order.Parcel{{
				Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}},
			}}
			cancel = e.update(workflows.CancelOrderMessage, cancelOrder)
		})
		e.after(2*time.Hour, func() {
			require.Equal(t, order.CreditReserved, e.query().Credit)
			e.signal(workflows.RecordShipmentMessage, parcel("2"))
		})
		e.run()
		require.ErrorContains(t, cancel.err, "the order is fulfilling")
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Len(t, e.state().Parcels, 2)
		require.NotContains(t, e.calls(), "release CANCELLED")
	})
	t.Run("a run of an order with a parcel takes it over", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		e.row = &activities.Fulfillment{
			Status: order.StatusFulfilling, Quantities: e.ordered,
			Parcels: []order.Parcel{{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 2}}}},
		}
		var cancel *updateResult
		e.after(time.Hour, func() {
			cancel = e.update(workflows.CancelOrderMessage, cancelOrder)
			e.signal(workflows.RecordShipmentMessage, parcel("2", 2, 3))
		})
		e.run()
		require.ErrorContains(t, cancel.rejected, "the order is shipping")
		require.Equal(t, order.StatusShipped, e.state().Status)
	})
}

// As after a reset: the row has a parcel that the run does not know.
func TestParcels_UnknownToTheRun(t *testing.T) {
	t.Parallel()
	t.Run("the rest is what is left after it", func(t *testing.T) {
		t.Parallel()
		e := newParcelEnv(t)
		var rest *updateResult
		e.after(time.Hour, func() {
			e.row.Parcels = []order.Parcel{unknownParcel()}
			rest = e.ship(parcel("2"))
		})
		e.run()
		require.NoError(t, rest.err)
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Len(t, e.state().Parcels, 2)
		require.Equal(t, parcel("2", 1, 1, 2, 3).Lines, e.state().Parcels[1].Lines)
	})
	for name, message := range map[string]workflows.RecordShipment{
		"a part that does not fit is refused": parcel("2", 1, 2), "a rest that does not fit is refused": parcel("2", 1, 2, 2, 3),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newParcelEnv(t)
			var refused, again *updateResult
			e.after(time.Hour, func() {
				e.row.Parcels = []order.Parcel{unknownParcel()}
				refused = e.ship(message)
			})
			e.after(2*time.Hour, func() {
				require.True(t, refused.complete)
				require.Equal(t, order.StatusFulfilling, e.query().Status)
				again = e.ship(parcel("2", 1, 1, 2, 3))
			})
			e.run()
			require.ErrorContains(t, refused.err, "lines[0].quantity: must be at most 1, which is left of line 1")
			require.NoError(t, again.err)
			require.Equal(t, order.StatusShipped, e.state().Status)
			require.Len(t, e.state().Parcels, 2)
		})
	}
}

// unknownParcel returns a parcel of one piece of the first line.
func unknownParcel() order.Parcel { return parcel("1", 1, 1).Parcel() }

func TestParcels_Refused(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		message workflows.RecordShipment
		want    string
	}{
		"a line that the order lacks":       {parcel("2", 2, 1, 3, 1), "lines[1].line: the order has 2 lines"},
		"more than is left":                 {parcel("2", 2, 4), "lines[0].quantity: must be at most 3, which is left of line 2"},
		"a line that has left":              {parcel("2", 1, 1), "lines[0].quantity: must be at most 0, which is left of line 1"},
		"the first parcel with other lines": {parcel("1", 2, 1), "lines: DHL 1 is a parcel of the order with other lines"},
		"the first parcel without lines":    {parcel("1"), "lines: DHL 1 is a parcel of the order with other lines"},
		"a line twice":                      {parcel("2", 2, 1, 2, 1), "lines[1].line: must not be repeated"},
		"line 0":                            {parcel("2", 0, 1), "lines[0].line: must be at least 1"},
		"no pieces":                         {parcel("2", 2, 0), "lines[0].quantity: must be at least 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newParcelEnv(t)
			var refused *updateResult
			e.after(time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("1", 1, 2)) })
			e.after(2*time.Hour, func() {
				e.signal(workflows.RecordShipmentMessage, c.message)
				refused = e.ship(c.message)
			})
			e.after(3*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("3")) })
			e.run()
			require.ErrorContains(t, refused.rejected, c.want)
			require.Len(t, e.state().Parcels, 2)
		})
	}
	t.Run("a row of an earlier release ships as a whole", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		var refused *updateResult
		e.after(time.Hour, func() { refused = e.ship(parcel("1", 1, 1)) })
		e.after(2*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.run()
		require.ErrorContains(t, refused.rejected, "lines: the order was started by a release without parcels")
		require.Equal(t, order.StatusShipped, e.state().Status)
	})
}

func TestParcels_Limits(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.ordered = []int{order.MaxParcels + 10}
	var over *updateResult
	for n := 1; n < order.MaxParcels; n++ {
		e.after(time.Duration(n)*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel(fmt.Sprint(n), 1, 1)) })
	}
	e.after(100*time.Hour, func() { over = e.ship(parcel("50", 1, 1)) })
	e.after(101*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, parcel("51")) })
	e.run()
	require.ErrorContains(t, over.rejected, "lines: parcel 50 is the last one, which ships all that is left")
	require.Len(t, e.state().Parcels, order.MaxParcels)
	require.Equal(t, 11, e.state().Parcels[order.MaxParcels-1].Lines[0].Quantity)
}

func TestParcels_OnServer(t *testing.T) {
	t.Parallel()
	t.Run("an order waits for the rest, and ships with it", func(t *testing.T) {
		t.Parallel()
		o := newParcelsOnServer(t)
		o.signal(workflows.RecordShipmentMessage, parcel("1", 1, 1))
		o.awaitParcels(1)
		require.NoError(t, <-o.update(workflows.RecordShipmentMessage, parcel("2", 2, 3)))
		o.signal(workflows.CancelOrderMessage, cancelOrder)
		require.NoError(t, o.client.CancelWorkflow(t.Context(), o.id, ""))
		o.signal(workflows.RecordShipmentMessage, parcel("3", 2, 1)) // nothing is left of that line
		o.awaitParcels(2)
		o.record("parcels-waiting-for-the-rest", "")
		o.requireShipped(3)
		o.record("parcels-shipped", "")
	})
	t.Run("a run that continues as new keeps its parcels", func(t *testing.T) {
		t.Parallel()
		o := newParcelsOnServer(t)
		o.signal(workflows.RecordShipmentMessage, parcel("1", 1, 1))
		o.awaitParcels(1)
		first := o.describe().GetWorkflowExecutionInfo().GetExecution().GetRunId()
		o.stopWorker()
		o.signal(workflows.RecordShipmentMessage, parcel("2", 1, 1))
		o.fillHistory()
		o.startWorker()
		o.awaitContinued(first)
		o.awaitParcels(2)
		require.NoError(t, o.client.CancelWorkflow(t.Context(), o.id, ""))
		o.requireShipped(3)
		o.record("parcels-continued", "")
	})
	t.Run("a parcel that the row has and the run lacks keeps the order from being canceled", func(t *testing.T) {
		t.Parallel()
		o := newParcelsOnServer(t)
		o.stores.mu.Lock()
		o.stores.parcels = []order.Parcel{{
			Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}},
		}}
		o.stores.mu.Unlock()
		require.ErrorContains(t, <-o.update(workflows.CancelOrderMessage, cancelOrder), "the order is fulfilling")
		o.requireShipped(2)
		require.Empty(t, o.stores.released)
		o.record("parcels-cancelled-too-late", "")
	})
}

func TestParcels_UnknownToTheRunOnServer(t *testing.T) {
	t.Parallel()
	o := newParcelsOnServer(t)
	o.stores.mu.Lock()
	o.stores.parcels = []order.Parcel{unknownParcel()}
	o.stores.mu.Unlock()
	o.requireShipped(2)
	o.record("parcels-unknown-to-the-run", "")
}

// newParcelsOnServer returns an order of 2 and 3 pieces that waits for its first parcel.
func newParcelsOnServer(t *testing.T) *orderOnServer {
	t.Helper()
	o := newOrderOnServer(t)
	o.stores.ordered = []int{2, 3}
	o.startWorker()
	o.start()
	o.awaitStatus(order.StatusFulfilling)
	return o
}

func (o *orderOnServer) awaitParcels(n int) {
	o.t.Helper()
	o.eventually(fmt.Sprintf("%d parcels have left", n), func() bool {
		state, ok := o.query()
		return ok && len(state.Parcels) == n && state.Status == order.StatusFulfilling
	})
}

// requireShipped ships the rest, and requires the order to end with that many parcels.
func (o *orderOnServer) requireShipped(n int) {
	o.t.Helper()
	o.signal(workflows.RecordShipmentMessage, parcel("rest"))
	state, err := o.result()
	require.NoError(o.t, err)
	require.Equal(o.t, order.StatusShipped, state.Status)
	require.Equal(o.t, order.CreditReserved, state.Credit)
	require.Len(o.t, state.Parcels, n)
	require.Equal(o.t, "rest", state.TrackingNumber)
	require.NoError(o.t, newReplayer(o.t).ReplayWorkflowHistory(nil, &history.History{Events: o.history("")}))
}
