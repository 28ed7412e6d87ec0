package activities_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

func approved() fulfillment.Version { return fulfillment.FirstVersion(placed, source.EventID) }

func closingAs(status order.Status) activities.CloseFulfillmentInput {
	return activities.CloseFulfillmentInput{
		OrderID: orderID, CustomerID: placed.CustomerID, Total: total, Source: source, Status: status,
		Reason: order.ReasonCancelled, Email: email.StatusSent,
	}
}

func TestCloseFulfillment(t *testing.T) {
	shipped := fulfillment.EndedAs([]fulfillment.Version{approved()}, approved(), order.State{Status: order.StatusShipped, Shipment: order.Shipment{Carrier: "DHL"}})
	t.Run("does not cancel a fulfillment that was published as final", func(t *testing.T) {
		s := &fakeStores{body: placed, published: shipped, row: fulfillment.Row{Status: order.StatusShipped}}
		row, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusCancelled))
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, row.Status)
		require.Equal(t, fulfillment.Close{}, s.closed)
		require.Equal(t, shipped, s.restored[0].Versions)
	})
	t.Run("inserts no row for a fulfillment that began, according to its email or the published versions", func(t *testing.T) {
		for _, s := range []*fakeStores{{body: placed}, {body: placed, published: shipped[:1]}} {
			in := closingAs(order.StatusCancelled)
			if len(s.published) > 0 {
				in.Email = email.StatusNone
			}
			_, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", in)
			require.NoError(t, err)
			require.True(t, s.closed.Began)
		}
	})
	t.Run("inserts a row for a fulfillment that never began", func(t *testing.T) {
		s, in := &fakeStores{body: placed}, closingAs(order.StatusCancelled)
		in.Email = email.StatusNone
		_, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", in)
		require.NoError(t, err)
		require.False(t, s.closed.Began)
	})
	t.Run("fails while the published versions cannot be read, unless the order ships", func(t *testing.T) {
		s := &fakeStores{body: placed, publishedErr: errors.New("connection refused")}
		_, err := runActivity[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusCancelled))
		require.ErrorContains(t, err, "connection refused")
		require.Equal(t, fulfillment.Close{}, s.closed)
		_, err = runActivity[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusShipped))
		require.NoError(t, err)
	})
}
