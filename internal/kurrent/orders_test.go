package kurrent_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

const placedBody = `{
	"orderId": "order-1", "customerId": "c1", "at": "2026-01-02T03:04:05Z",
	"lineItems": [{"productId": "p1", "productName": "Lamp", "quantity": 2, "pricePerUnit": "USD10.00", "taxRate": 0.1}],
	"shipping": {"recipient": {"fullName": "A. Person", "emailAddress": "a.person@example.com"}, "address": {"country": "BE", "lines": ["Street 1"]}},
	"billing": {"recipient": {"emailAddress": "a.person@example.com"}}
}`

// writeOrder writes an order's stream, the order itself as its second event.
func writeOrder(t *testing.T, client *kurrent.Client, placedType, body string) order.Source {
	t.Helper()
	placed := event(placedType, body)
	_, err := client.Append(t.Context(), "order-1", kurrent.NoStream(), event("order-drafted", `{}`), placed, event("order-paid", `{}`))
	require.NoError(t, err)
	return order.Source{Stream: "order-1", Revision: 1, EventID: placed.ID.String()}
}

func TestAnOrderIsReadFromTheEventItsSourceNames(t *testing.T) {
	t.Parallel()
	for _, placedType := range []string{order.TypePlaced, order.TypePlacedAlias} {
		client := open(t, sim(t).url())
		source := writeOrder(t, client, placedType, placedBody)
		placed, err := client.Body(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, "USD22.00", placed.Total.String())
		first, err := client.FirstPlaced(t.Context(), "order-1")
		require.NoError(t, err)
		require.Equal(t, placed, first)
		found, err := client.FindPlaced(t.Context(), "order-1")
		require.NoError(t, err)
		require.Equal(t, source.EventID, found.ID.String())
	}
}

func TestAnOrderIsGoneWhenItsEventIs(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		harm    func(t *testing.T, server *node, source *order.Source)
		another bool // the stream still has an order, if not this one
	}{
		"its stream was deleted": {harm: func(t *testing.T, server *node, _ *order.Source) {
			_, err := bare(t, server.url()).DeleteStream(t.Context(), "order-1", kurrentdb.DeleteStreamOptions{})
			require.NoError(t, err)
		}},
		"its stream was deleted for ever": {harm: func(t *testing.T, server *node, _ *order.Source) {
			_, err := bare(t, server.url()).TombstoneStream(t.Context(), "order-1", kurrentdb.TombstoneStreamOptions{})
			require.NoError(t, err)
		}},
		"its stream was truncated": {harm: func(t *testing.T, server *node, _ *order.Source) { truncate(t, server.url(), "order-1", 2) }},
		"its stream never was":     {harm: func(_ *testing.T, _ *node, source *order.Source) { source.Stream = "order-2" }},
		"another event is there": {another: true, harm: func(_ *testing.T, _ *node, source *order.Source) {
			source.EventID = uuid.NewString()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := sim(t)
			client := open(t, server.url())
			source := writeOrder(t, client, order.TypePlaced, placedBody)
			c.harm(t, server, &source)
			_, err := client.Body(t.Context(), source)
			require.ErrorIs(t, err, order.ErrGone)
			_, err = client.FirstPlaced(t.Context(), source.Stream)
			if c.another {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, order.ErrGone)
			_, err = client.FindPlaced(t.Context(), source.Stream)
			require.ErrorIs(t, err, kurrent.ErrNotFound)
		})
	}
}

func TestAnOutageIsNoMissingOrder(t *testing.T) {
	t.Parallel()
	server := sim(t)
	client, err := kurrent.Open(kurrent.Config{URL: server.url(), AllowPlaintext: true, CallTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	source := writeOrder(t, client, order.TypePlaced, placedBody)
	server.stop()
	_, err = client.Body(t.Context(), source)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.NotErrorIs(t, err, order.ErrGone)
	_, err = client.FirstPlaced(t.Context(), source.Stream)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.NotErrorIs(t, err, order.ErrGone)
}

func TestABodyThatCannotBeUnderstoodIsInvalid(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	source := writeOrder(t, client, order.TypePlaced, `{"orderId":"order-1"}`)
	_, err := client.Body(t.Context(), source)
	var invalid *order.InvalidError
	require.ErrorAs(t, err, &invalid)
}

func TestWhatIsNoLinkPointsNowhere(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]kurrent.Event{
		"another type": {Type: "order-placed", Data: []byte("0@order-1")},
		"no data":      {Type: "$>"},
		"no revision":  {Type: "$>", Data: []byte("@order-1")},
		"no stream":    {Type: "$>", Data: []byte("0@")},
		"below zero":   {Type: "$>", Data: []byte("-1@order-1")},
	} {
		_, _, ok := kurrent.LinkTarget(link)
		require.False(t, ok, name)
		_, err := open(t, urlOf(refusing(t))).ReadLinkTarget(t.Context(), link)
		require.ErrorIs(t, err, kurrent.ErrInvalid, name)
	}
}
