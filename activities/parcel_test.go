package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

func twoParcels() []order.Parcel {
	return []order.Parcel{
		{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}}},
		{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "2"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 2}}},
	}
}

func recordSecond() activities.RecordParcelInput {
	return activities.RecordParcelInput{
		OrderID: orderID, CustomerID: placed.CustomerID, Total: total, Source: source, Parcels: twoParcels(), Email: email.StatusSent,
	}
}

func TestRecordParcel(t *testing.T) {
	t.Run("records the parcel", func(t *testing.T) {
		s := &fakeStores{row: fulfillment.Row{Status: order.StatusFulfilling, Parcels: twoParcels(), Quantities: []int{5}}}
		row, err := runActivity[activities.Fulfillment](t, s, "RecordParcel", recordSecond())
		require.NoError(t, err)
		require.Equal(t, twoParcels(), row.Parcels)
		require.Equal(t, []int{5}, row.Quantities)
		require.Equal(t, email.StatusSent, s.parcels[0].Emails[email.KindConfirmation])
		require.Empty(t, s.restored)
	})
	for name, lost := range map[string]error{"row": fulfillment.ErrNotFound, "last versions": fulfillment.ErrBehind} {
		t.Run("restores a "+name+" that was lost, without the new parcel, and records it", func(t *testing.T) {
			s := &fakeStores{body: placed, row: fulfillment.Row{Status: order.StatusFulfilling}, firstParcelErr: lost}
			_, err := runActivity[activities.Fulfillment](t, s, "RecordParcel", recordSecond())
			require.NoError(t, err)
			require.Len(t, s.parcels, 2)
			require.Len(t, s.restored[0].Versions, 2)
			require.Equal(t, twoParcels()[:1], s.restored[0].Versions[1].Parcels)
		})
	}
	t.Run("returns the row of an order that was closed before", func(t *testing.T) {
		s := &fakeStores{row: fulfillment.Row{Status: order.StatusCancelled}, firstParcelErr: fulfillment.ErrClosed}
		row, err := runActivity[activities.Fulfillment](t, s, "RecordParcel", recordSecond())
		require.NoError(t, err)
		require.Equal(t, order.StatusCancelled, row.Status)
	})
}

func TestCloseFulfillment_Parcels(t *testing.T) {
	t.Run("does not cancel an order of which a parcel has left", func(t *testing.T) {
		s := &fakeStores{row: fulfillment.Row{Status: order.StatusFulfilling, Parcels: twoParcels()}, err: fulfillment.ErrParcelLeft}
		row, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusCancelled))
		require.NoError(t, err)
		require.Equal(t, order.StatusFulfilling, row.Status)
		require.Equal(t, twoParcels(), row.Parcels)
	})
	t.Run("does not ship an order whose row has parcels that the workflow does not know", func(t *testing.T) {
		s := &fakeStores{row: fulfillment.Row{Status: order.StatusFulfilling, Parcels: twoParcels()}, err: fulfillment.ErrClosed}
		row, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusShipped))
		require.NoError(t, err)
		require.Equal(t, order.StatusFulfilling, row.Status)
		require.Equal(t, twoParcels(), row.Parcels)
		require.Empty(t, s.restored)
	})
	t.Run("restores the parcels that were published before it cancels", func(t *testing.T) {
		published := fulfillment.EndedAs(nil, approved(), order.State{Status: order.StatusFulfilling, Parcels: twoParcels()})
		s := &fakeStores{body: placed, published: published, row: fulfillment.Row{Status: order.StatusFulfilling, Parcels: twoParcels()}}
		_, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusCancelled))
		require.NoError(t, err)
		require.Equal(t, published, s.restored[0].Versions)
	})
}
