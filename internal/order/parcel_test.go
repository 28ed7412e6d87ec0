package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestLeft(t *testing.T) {
	t.Parallel()
	quantities := []int{2, 3}
	first := order.Parcel{Lines: []order.ParcelLine{{Line: 2, Quantity: 2}, {Line: 1, Quantity: 1}}}
	require.Equal(t, []int{1, 1}, order.Left(quantities, []order.Parcel{first}))
	require.Equal(t, []int{0, 0}, order.Left(quantities, []order.Parcel{first, {}}), "one without lines ships all that is left")
	require.Equal(t, []int{2, 3}, quantities)
	require.Equal(t, []order.ParcelLine{{Line: 1, Quantity: 1}}, order.Parcel{}.WithLines([]int{1, 0}).Lines)
}

func TestState_HasLeft(t *testing.T) {
	t.Parallel()
	one, two := order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, order.Shipment{Carrier: "DHL", TrackingNumber: "2"}
	lines := []order.ParcelLine{{Line: 1, Quantity: 1}}
	whole := order.State{Status: order.StatusShipped, Shipment: two}
	parcels := order.State{
		Status: order.StatusShipped, Shipment: two, Parcels: []order.Parcel{{Shipment: one, Lines: lines}, {Shipment: two, Lines: lines}},
	}
	require.True(t, whole.HasLeft(order.Parcel{Shipment: two}))
	require.True(t, whole.HasLeft(order.Parcel{Shipment: two, Lines: lines}))
	require.False(t, whole.HasLeft(order.Parcel{Shipment: one}))
	require.True(t, parcels.HasLeft(order.Parcel{Shipment: one, Lines: lines}))
	require.True(t, parcels.HasLeft(order.Parcel{Shipment: two}))
	require.False(t, parcels.HasLeft(order.Parcel{Shipment: one}))
	require.False(t, order.State{Status: order.StatusFulfilling, Shipment: two}.HasLeft(order.Parcel{Shipment: two}))
}

func TestParcel_Equal(t *testing.T) {
	t.Parallel()
	dhl := order.Shipment{Carrier: "DHL", TrackingNumber: "1"}
	one, two := order.ParcelLine{Line: 1, Quantity: 1}, order.ParcelLine{Line: 2, Quantity: 1}
	parcel := order.Parcel{Shipment: dhl, Lines: []order.ParcelLine{one, two}}
	require.True(t, parcel.Equal(order.Parcel{Shipment: dhl, Lines: []order.ParcelLine{two, one}}))
	require.False(t, parcel.Equal(order.Parcel{Shipment: dhl, Lines: []order.ParcelLine{one}}))
	require.False(t, parcel.Equal(order.Parcel{Shipment: order.Shipment{Carrier: "UPS", TrackingNumber: "1"}, Lines: parcel.Lines}))
}
