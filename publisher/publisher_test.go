package main

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

func TestPublish_OneEventPerVersion(t *testing.T) {
	rig := newPublisherRig(t)
	rig.publish().awaitPhase(phaseStream)
	rig.approve("order-shipped", "order-cancelled")
	rig.change("order-shipped", "overnight")
	rig.ship("order-shipped")
	rig.cancelOrder("order-cancelled")
	rig.exec(insertOrder, "order-rejected", "rejected", "INSUFFICIENT_CREDIT")
	rig.awaitTypes("order-shipped", "order-approved", "fulfillment-changed", "order-shipped")
	rig.awaitTypes("order-cancelled", "order-approved", "order-cancelled")
	rig.awaitTypes("order-rejected", "order-rejected")
	rig.awaitAll()
}

func TestEvent_CopiesTrace(t *testing.T) {
	const metadata = `{"$correlationId":"cart-7","$causationId":"source-1","traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		"$traceId":"4bf92f3577b34da6a3ce929d0e0e4736","$spanId":"00f067aa0ba902b7"}`
	for name, whileRunning := range map[string]bool{"from the log": true, "from the history": false} {
		t.Run(name, func(t *testing.T) {
			rig := newPublisherRig(t)
			if whileRunning {
				rig.publish()
			}
			rig.exec(`INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at, correlation_id, traceparent)
				VALUES ('order-1', 'customer-7', 'fulfilling', 100, 'USD', 'source-1', now(), 'cart-7', '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01')`)
			rig.ship("order-1")
			if !whileRunning {
				rig.publish()
			}
			rig.awaitTypes("order-1", "order-approved", "order-shipped")
			for revision := range uint64(2) {
				e, err := rig.events.ReadEvent(t.Context(), "fulfillment-order-1", revision)
				require.NoError(t, err)
				require.JSONEq(t, metadata, string(e.Metadata))
			}
		})
	}
}

func TestEvent_CopiesRowWithoutPersonalData(t *testing.T) {
	rig := newPublisherRig(t)
	rig.publish()
	rig.approve("order-1")
	rig.ship("order-1")
	rig.awaitTypes("order-1", "order-approved", "order-shipped")
	e, err := rig.events.ReadEvent(t.Context(), "fulfillment-order-1", 1)
	require.NoError(t, err)
	var data map[string]any
	require.NoError(t, json.Unmarshal(e.Data, &data))
	before, after := data["old"].(map[string]any), data["new"].(map[string]any)
	delete(data, "old")
	delete(data, "new")
	require.Equal(t, map[string]any{
		"orderId": "order-1", "customerId": "customer-7", "status": "shipped", "reason": "", "total": "USD4885.49",
		"carrier": "DHL", "trackingNumber": "42", "revision": 1.0,
	}, data)
	require.Equal(t, "fulfilling", before["status"])
	require.Equal(t, "shipped", after["status"])
	require.JSONEq(t, `{"$correlationId":"order-1","$causationId":"source-1"}`, string(e.Metadata))
	require.Equal(t, "application/json", e.ContentType)
	require.NoError(t, rig.events.ReadStream(t.Context(), "fulfillment-order-1", 0, 0, func(e kurrent.Event) error {
		require.NotContains(t, string(e.Data), "canary")
		return nil
	}))
}
