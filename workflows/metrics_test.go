package workflows_test

import (
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// closed returns how many orders were counted as closed with a status and a reason.
func (e *orderEnv) closed(status order.Status, reason string) int {
	return e.meter.Sum("orderflow_orders_closed", attribute.String("status", string(status)), attribute.String("reason", reason))
}

func TestCountClosed(t *testing.T) {
	t.Parallel()
	t.Run("a shipped order, with its times since KurrentDB wrote it", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		in := input()
		in.PlacedAt = e.env.Now().AddDate(-1, 0, 0) // a backfill
		in.WrittenAt = e.env.Now().Add(-time.Minute)
		e.after(48*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.runWith(in)
		require.Equal(t, 1, e.closed(order.StatusShipped, "none"))
		count, seconds := e.meter.Histogram("orderflow_order_time_to_confirm")
		require.Equal(t, 1, count)
		require.InDelta(t, 60, seconds, 30)
		count, seconds = e.meter.Histogram("orderflow_order_time_to_ship")
		require.Equal(t, 1, count)
		require.InDelta(t, 48*3600+60, seconds, 30)
	})
	t.Run("an order whose event was written by a clock that is ahead took no time", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		in := input()
		in.WrittenAt = e.env.Now().Add(time.Hour)
		e.after(time.Minute, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
		e.runWith(in)
		count, seconds := e.meter.Histogram("orderflow_order_time_to_confirm")
		require.Equal(t, 1, count)
		require.Zero(t, seconds)
	})
	t.Run("a refused order, by its reason", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		e.decide = refused(string(order.ReasonUnknownCustomer))
		e.run()
		require.Equal(t, 1, e.closed(order.StatusRejected, "UNKNOWN_CUSTOMER"))
		require.Equal(t, 1, e.meter.Sum("orderflow_orders_closed"))
		count, _ := e.meter.Histogram("orderflow_order_time_to_confirm")
		require.Zero(t, count)
	})
	t.Run("a reason that this version does not know is other", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		e.decide = refused("JUNE_SALE_ENDED")
		e.run()
		require.Equal(t, 1, e.closed(order.StatusRejected, "other"))
	})
	t.Run("a canceled order", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		e.after(time.Hour, func() { e.signal(workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "CHANGED_MIND"}) })
		e.run()
		require.Equal(t, 1, e.closed(order.StatusCancelled, "CANCELLED"))
	})
	t.Run("not an order that an earlier run had closed", func(t *testing.T) {
		t.Parallel()
		e := newOrderEnv(t)
		e.row = &activities.Fulfillment{Status: order.StatusShipped, Shipment: &order.Shipment{Carrier: shipment.Carrier, TrackingNumber: shipment.TrackingNumber}, Email: email.StatusSent}
		e.run()
		require.Equal(t, order.StatusShipped, e.state().Status)
		require.Zero(t, e.meter.Sum("orderflow_orders_closed"))
	})
}

func TestLog_Steps(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	in := input()
	in.Source.Traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e.after(48*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.runWith(in)
	require.Equal(t, []string{
		"credit reserved", "fulfillment started", "email sent", "order shipped", "email sent", "order closed",
	}, e.lines.of(slog.LevelInfo, "order="+orderID+" trace_id=4bf92f3577b34da6a3ce929d0e0e4736"))
}

func TestLog_OrderEmail(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	source := input().Source
	source.Traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	e.env.ExecuteWorkflow(workflows.OrderEmailType, workflows.EmailInput{OrderID: orderID, Kind: email.KindShipment, Source: source})
	require.NoError(t, e.env.GetWorkflowError())
	require.Equal(t, []string{"email sent"}, e.lines.of(slog.LevelInfo, "order="+orderID+" trace_id=4bf92f3577b34da6a3ce929d0e0e4736"))
}

func TestLog_OrderOfEachLine(t *testing.T) {
	t.Parallel()
	e := newOrderEnv(t)
	e.after(time.Hour, func() { e.signal("ship-it", shipment) })
	e.after(2*time.Hour, func() { e.signal(workflows.RecordShipmentMessage, shipment) })
	e.run()
	require.Equal(t, []string{"signal cannot be used"}, e.lines.of(slog.LevelWarn, "order="+orderID))
}

// A worker that starts with an empty cache replays the order, and repeats no line.
func TestLog_Replay(t *testing.T) {
	o := newOrderOnServer(t)
	o.start()
	o.startWorker()
	o.awaitStatus(order.StatusFulfilling)
	o.stopWorker()
	worker.PurgeStickyWorkflowCache()
	o.startWorker()
	o.signal(workflows.RecordShipmentMessage, shipment)
	_, err := o.result()
	require.NoError(t, err)
	o.stopWorker()
	require.Equal(t, []string{"credit reserved", "fulfillment started", "order shipped", "order closed"},
		o.lines.of(slog.LevelInfo, "order="+o.id))
}
