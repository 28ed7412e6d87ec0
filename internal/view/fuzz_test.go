package view_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/internal/view"
)

// FuzzDecode applies events that any writer may have appended. What becomes a row can be
// stored: a row that PostgreSQL refuses would stop the projector at its event.
func FuzzDecode(f *testing.F) {
	f.Add("order-1", order.TypePlaced, uint64(0), []byte(`{}`))
	f.Add("credit-c", "credit-reserved", uint64(1), []byte(`{"orderId":"order-1","amount":"USD9.00"}`))
	f.Add("credit-c", "credit-released", uint64(2), []byte(`{"orderId":"order-1","amount":"USD9.00","reason":"paid"}`))
	f.Add("fulfillment-order-1", "order-shipped", uint64(1),
		[]byte(`{"orderId":"order-1","customerId":"c","status":"shipped","total":"USD2.42","carrier":"DHL","trackingNumber":"1"}`))
	f.Fuzz(func(t *testing.T, stream, kind string, revision uint64, data []byte) {
		if revision > 1<<62 {
			return // no stream has as many events
		}
		change, relevant := view.Decode(view.Event{
			Stream: stream, Revision: revision, Type: kind, ContentType: "application/json", Data: data, Written: time.Unix(1, 0).UTC(),
		})
		if !relevant {
			return
		}
		rows := view.Rows{Orders: map[string]*view.Order{}, Customers: map[string]*view.Customer{}}
		rows.Apply(change)
		rows.Apply(change)
		require.NotZero(t, len(rows.Orders)+len(rows.Customers))
		for id, o := range rows.Orders {
			require.True(t, order.ValidID(id))
			require.True(t, order.ValidIdentifier(o.CustomerID), "%q", o.CustomerID)
			for _, text := range []string{string(o.Status), string(o.Reason), string(o.Credit), o.Carrier, o.TrackingNumber} {
				require.True(t, order.ValidText(text), "%q", text)
			}
			requireAmount(t, o.Total)
			require.True(t, o.PlacedAt.IsZero() || order.ValidTime(o.PlacedAt), o.PlacedAt)
		}
		for id, c := range rows.Customers {
			require.True(t, order.ValidIdentifier(id), "%q", id)
			require.GreaterOrEqual(t, c.Reserved, int64(0))
			requireAmount(t, c.Limit)
		}
	})
}

func requireAmount(t *testing.T, m order.Money) {
	t.Helper()
	require.GreaterOrEqual(t, m.Minor, int64(0))
	require.Contains(t, []int{0, 3}, len(m.Currency))
}
