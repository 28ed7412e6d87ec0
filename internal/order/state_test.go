package order_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestState_ShipmentIsFlatInJSON(t *testing.T) {
	t.Parallel()
	for want, shipment := range map[string]order.Shipment{
		`"email":"","carrier":"","trackingNumber":"","placedAt"`:      {},
		`"email":"","carrier":"DHL","trackingNumber":"42","placedAt"`: {Carrier: "DHL", TrackingNumber: "42"},
	} {
		data, err := json.Marshal(order.State{Shipment: shipment})
		require.NoError(t, err)
		require.Contains(t, string(data), want)
		var state order.State
		require.NoError(t, json.Unmarshal(data, &state))
		require.Equal(t, shipment, state.Shipment)
	}
}
