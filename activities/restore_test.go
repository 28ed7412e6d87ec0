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
	shipped := fulfillment.EndedAs([]fulfillment.Version{approved()}, approved(), order.State{Status: order.StatusShipped, Carrier: "DHL"})
	t.Run("does not cancel over what was published as final", func(t *testing.T) {
		s := &stores{body: placed, published: shipped, row: fulfillment.Row{Status: order.StatusShipped}}
		row, err := do[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusCancelled))
		require.NoError(t, err)
		require.Equal(t, order.StatusShipped, row.Status)
		require.Equal(t, fulfillment.Close{}, s.closed)
		require.Equal(t, shipped, s.restored[0].Versions)
	})
	t.Run("inserts no row for an order that began, by its email or by what was published", func(t *testing.T) {
		for _, s := range []*stores{{body: placed}, {body: placed, published: shipped[:1]}} {
			in := closingAs(order.StatusCancelled)
			if len(s.published) > 0 {
				in.Email = email.StatusNone
			}
			_, err := do[activities.Fulfillment](t, s, "CloseFulfillment", in)
			require.NoError(t, err)
			require.True(t, s.closed.Began)
		}
	})
	t.Run("inserts a row for an order that never began", func(t *testing.T) {
		s, in := &stores{body: placed}, closingAs(order.StatusCancelled)
		in.Email = email.StatusNone
		_, err := do[activities.Fulfillment](t, s, "CloseFulfillment", in)
		require.NoError(t, err)
		require.False(t, s.closed.Began)
	})
	t.Run("waits while what was published cannot be read, unless it ships", func(t *testing.T) {
		s := &stores{body: placed, publishedErr: errors.New("connection refused")}
		_, err := do[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusCancelled))
		require.ErrorContains(t, err, "connection refused")
		require.Equal(t, fulfillment.Close{}, s.closed)
		_, err = do[activities.Fulfillment](t, s, "CloseFulfillment", closingAs(order.StatusShipped))
		require.NoError(t, err)
	})
}
