package streams_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
)

// writePayments writes an order with payments before and after it, and returns the source
// of the payment at revision 4.
func writePayments(t *testing.T, client *kurrent.Client) order.Source {
	t.Helper()
	anonymous := kurrentsimtest.Event(order.TypePaid, `{"amount":"USD7.00"}`)
	_, err := client.Append(t.Context(), "order-1", kurrent.NoStream(),
		kurrentsimtest.Event(order.TypePaid, `{"amount":"USD5.00","paymentId":"p-1"}`), kurrentsimtest.Event(order.TypePlaced, placedBody),
		kurrentsimtest.Event(order.TypePaid, `{"amount":"USD-6.00","paymentId":"p-2"}`), kurrentsimtest.Event(order.TypePaid, `{"amount":"USD5.00","paymentId":"p-1"}`),
		anonymous, kurrentsimtest.Event(order.TypePaid, `{"amount":"USD8.00"}`))
	require.NoError(t, err)
	return order.Source{Stream: "order-1", Revision: 4, EventID: anonymous.ID.String()}
}

func TestPayments(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) order.Money { return order.Money{Minor: minor, Currency: "USD"} }
	t.Run("returns the payments up to the one that source names", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		source := writePayments(t, client)
		placed, payments, err := streams.Orders{Client: client}.Payments(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, usd(22_00), placed.Total)
		require.Equal(t, []order.Paid{
			{OrderID: "order-1", PaymentID: "p-1", Amount: usd(5_00)}, {OrderID: "order-1", PaymentID: "p-1", Amount: usd(5_00)},
			{OrderID: "order-1", PaymentID: source.EventID, Amount: usd(7_00)},
		}, payments)
	})
	t.Run("finds an order placed after its payment", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		source := writePayments(t, client)
		first, err := client.ReadEvent(t.Context(), "order-1", 0)
		require.NoError(t, err)
		source.Revision, source.EventID = 0, first.ID.String()
		placed, payments, err := streams.Orders{Client: client}.Payments(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, "c1", placed.CustomerID)
		require.Len(t, payments, 1)
	})
	t.Run("rejects a payment that cannot be decoded", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		source := writePayments(t, client)
		bad, err := client.ReadEvent(t.Context(), "order-1", 2)
		require.NoError(t, err)
		source.Revision, source.EventID = 2, bad.ID.String()
		_, _, err = streams.Orders{Client: client}.Payments(t.Context(), source)
		var invalid *order.InvalidError
		require.ErrorAs(t, err, &invalid)
	})
	t.Run("reads no more than 10,000 events", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		last := kurrentsimtest.Event(order.TypePaid, `{"amount":"USD5.00"}`)
		for behind := 10_000; behind > 0; behind -= 1000 {
			events := make([]kurrent.NewEvent, 1000)
			for i := range events {
				events[i] = kurrentsimtest.Event("order-noted", `{}`)
			}
			if behind == 10_000 {
				events[0] = kurrentsimtest.Event(order.TypePlaced, placedBody)
			}
			_, err := client.Append(t.Context(), "order-1", kurrent.Any(), events...)
			require.NoError(t, err)
		}
		_, err := client.Append(t.Context(), "order-1", kurrent.Any(), last)
		require.NoError(t, err)
		_, _, err = streams.Orders{Client: client}.Payments(t.Context(), order.Source{Stream: "order-1", Revision: 10_000, EventID: last.ID.String()})
		var invalid *order.InvalidError
		require.ErrorAs(t, err, &invalid)
	})
}

func TestPayments_Gone(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(t *testing.T, server *kurrentsimtest.Server, source *order.Source){
		"when their stream is deleted": func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			_, err := kurrentsimtest.OfficialClient(t, server.URL()).DeleteStream(t.Context(), "order-1", kurrentdb.DeleteStreamOptions{})
			require.NoError(t, err)
		},
		"when the order is truncated": func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			kurrentsimtest.Truncate(t, server.URL(), "order-1", 2)
		},
		"when the payment is another event": func(_ *testing.T, _ *kurrentsimtest.Server, source *order.Source) {
			source.EventID = uuid.NewString()
		},
		"when the stream ends before the payment": func(_ *testing.T, _ *kurrentsimtest.Server, source *order.Source) {
			source.Revision = 17
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kurrentsimtest.StartServer(t)
			client := kurrentsimtest.OpenClient(t, server.URL())
			source := writePayments(t, client)
			damage(t, server, &source)
			_, _, err := streams.Orders{Client: client}.Payments(t.Context(), source)
			require.ErrorIs(t, err, order.ErrGone)
		})
	}
}

func TestPayments_StaleNode(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	source := writePayments(t, kurrentsimtest.OpenClient(t, server.URL()))
	gw := kurrentsimtest.StartGateway(t, server.Addr())
	client := kurrentsimtest.OpenClient(t, gw.URL)
	var warm sync.WaitGroup // several connections, all of which become stale
	for range 4 {
		warm.Go(func() { _ = client.Ping(t.Context()) })
	}
	warm.Wait()
	gw.MakeStale()
	_, payments, err := streams.Orders{Client: client}.Payments(t.Context(), source)
	require.NoError(t, err)
	require.Len(t, payments, 3)
	require.Equal(t, 2, gw.ReadsOnLeader(), "of the order, and of its payments")
}
