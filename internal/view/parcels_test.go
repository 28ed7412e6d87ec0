package view_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/view"
)

func TestApply_CountsParcels(t *testing.T) {
	t.Parallel()
	const id = "order-parcels"
	rows := view.Rows{Orders: map[string]*view.Order{}, Customers: map[string]*view.Customer{}}
	apply := func(revision uint64, status order.Status, parcels int) {
		data, err := fulfillment.EncodeEvent(fulfillment.Event{
			OrderID: id, CustomerID: "customer-1", Status: status, Total: order.Money{Minor: 1, Currency: "USD"},
			Parcels: make([]order.Parcel, parcels), Revision: int64(revision),
		})
		require.NoError(t, err)
		change, ok := view.Decode(view.Event{Stream: fulfillment.Stream(id), Revision: revision, Data: data})
		require.True(t, ok)
		rows.Apply(change)
	}
	apply(0, order.StatusFulfilling, 0)
	require.Zero(t, rows.Orders[id].Parcels)
	apply(1, order.StatusFulfilling, 1)
	require.Equal(t, 1, rows.Orders[id].Parcels)
	apply(2, order.StatusShipped, 2)
	require.Equal(t, 2, rows.Orders[id].Parcels)

	rows.Orders = map[string]*view.Order{}
	apply(1, order.StatusShipped, 0)
	require.Equal(t, 1, rows.Orders[id].Parcels, "an order that ships as a whole is one parcel")
}
