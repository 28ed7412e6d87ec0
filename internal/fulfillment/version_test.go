package fulfillment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

func TestEndedAs_Parcels(t *testing.T) {
	t.Parallel()
	parcels := []order.Parcel{
		{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}}},
		{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "2"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 2}}},
	}
	first := fulfillment.Version{OrderID: "order-1", Status: order.StatusFulfilling}
	counts := func(versions []fulfillment.Version) (all []int) {
		for _, v := range versions {
			all = append(all, len(v.Parcels))
		}
		return all
	}

	open := fulfillment.EndedAs(nil, first, order.State{Status: order.StatusFulfilling, Parcels: parcels})
	require.Equal(t, []int{0, 1, 2}, counts(open))
	require.Equal(t, []int{0, 1, 2}, counts(fulfillment.EndedAs(open[:2], first, order.State{Status: order.StatusFulfilling, Parcels: parcels})))
	require.Equal(t, open, fulfillment.EndedAs(open, first, order.State{Status: order.StatusFulfilling}), "what was published stays")

	ended := fulfillment.EndedAs(nil, first, order.State{Status: order.StatusShipped, Shipment: parcels[1].Shipment, Parcels: parcels})
	require.Equal(t, []int{0, 1, 2}, counts(ended))
	require.Equal(t, order.StatusFulfilling, ended[1].Status)
	require.Equal(t, order.StatusShipped, ended[2].Status)
	require.Equal(t, parcels[1].Shipment, ended[2].Shipment)
}
