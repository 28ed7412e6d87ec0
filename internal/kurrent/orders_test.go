package kurrent_test

import (
	"strings"
	"sync"
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

func TestBody(t *testing.T) {
	t.Parallel()
	for _, placedType := range []string{order.TypePlaced, order.TypePlacedAlias} {
		client := openClient(t, startServer(t).url())
		source := writeOrder(t, client, placedType, placedBody)
		placed, err := client.Body(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, "USD22.00", placed.Total.String())
		found, err := client.FindPlaced(t.Context(), "order-1")
		require.NoError(t, err)
		require.Equal(t, source.EventID, found.ID.String())
	}
}

func TestBody_Gone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(t *testing.T, server *node, source *order.Source)
		want   error // of FindPlaced, which may find another order
	}{
		"its stream was deleted": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *node, _ *order.Source) {
			_, err := officialClient(t, server.url()).DeleteStream(t.Context(), "order-1", kurrentdb.DeleteStreamOptions{})
			require.NoError(t, err)
		}},
		"its stream was tombstoned": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *node, _ *order.Source) {
			_, err := officialClient(t, server.url()).TombstoneStream(t.Context(), "order-1", kurrentdb.TombstoneStreamOptions{})
			require.NoError(t, err)
		}},
		"its stream was truncated": {want: kurrent.ErrNotFound, damage: func(t *testing.T, server *node, _ *order.Source) {
			truncate(t, server.url(), "order-1", 2)
		}},
		"all of its stream was truncated": {want: kurrent.ErrNotFound, damage: func(t *testing.T, server *node, _ *order.Source) {
			truncate(t, server.url(), "order-1", 3)
		}},
		"its stream never existed": {want: kurrent.ErrNotFound, damage: func(_ *testing.T, _ *node, source *order.Source) {
			source.Stream = "order-2"
		}},
		"another event is stored there": {damage: func(_ *testing.T, _ *node, source *order.Source) {
			source.EventID = uuid.NewString()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := startServer(t)
			client := openClient(t, server.url())
			source := writeOrder(t, client, order.TypePlaced, placedBody)
			c.damage(t, server, &source)
			_, err := client.Body(t.Context(), source)
			require.ErrorIs(t, err, order.ErrGone)
			_, err = client.FindPlaced(t.Context(), source.Stream)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestFindPlaced(t *testing.T) {
	t.Parallel()
	good := event(order.TypePlaced, placedBody)
	other := event("order-drafted", `{}`)
	bad, worse := event(order.TypePlacedAlias, `{"orderId":"order-1"}`), event(order.TypePlaced, `{"orderId":`)
	for name, c := range map[string]struct {
		events  []kurrent.NewEvent
		found   bool
		invalid string // if empty, ErrNotFound is expected
	}{
		"a corrected one follows":                 {events: []kurrent.NewEvent{bad, worse, good}, found: true},
		"another good one follows":                {events: []kurrent.NewEvent{good, event(order.TypePlaced, placedBody)}, found: true},
		"a bad one follows":                       {events: []kurrent.NewEvent{other, good, bad}, found: true},
		"all are bad":                             {events: []kurrent.NewEvent{other, bad, worse}, invalid: "customerId: is missing"},
		"all are bad, the first more":             {events: []kurrent.NewEvent{worse, bad}, invalid: "is not JSON: it ends too early"},
		"there is none":                           {events: []kurrent.NewEvent{other}},
		"its body is in an event of another type": {events: []kurrent.NewEvent{{ID: good.ID, Type: order.TypePaid, Data: good.Data}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := openClient(t, startServer(t).url())
			_, err := client.Append(t.Context(), "order-1", kurrent.NoStream(), c.events...)
			require.NoError(t, err)
			event, err := client.FindPlaced(t.Context(), "order-1")
			var invalid *order.InvalidError
			switch {
			case c.found:
				require.NoError(t, err)
				require.Equal(t, good.ID, event.ID)
			case c.invalid != "":
				require.ErrorAs(t, err, &invalid)
				require.EqualError(t, invalid, c.invalid)
			default:
				require.ErrorIs(t, err, kurrent.ErrNotFound)
			}
		})
	}
}

// The search is bounded, and reads in pages: an order-placed event after 10,000 other
// events is not found.
func TestFindPlaced_Limit(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	place := func(stream string, behind int) {
		for behind > 0 {
			events := make([]kurrent.NewEvent, min(behind, 1000))
			for i := range events {
				events[i] = event("order-noted", `{}`)
			}
			_, err := client.Append(t.Context(), stream, kurrent.Any(), events...)
			require.NoError(t, err)
			behind -= len(events)
		}
		_, err := client.Append(t.Context(), stream, kurrent.Any(), event(order.TypePlaced, strings.Replace(placedBody, "order-1", stream, 1)))
		require.NoError(t, err)
	}
	place("order-9999", 9_999)
	found, err := client.FindPlaced(t.Context(), "order-9999")
	require.NoError(t, err)
	require.EqualValues(t, 9_999, found.Revision)
	place("order-10000", 10_000)
	_, err = client.FindPlaced(t.Context(), "order-10000")
	require.ErrorIs(t, err, kurrent.ErrNotFound)
}

// A node that led a moment ago returns old data on its existing connections.
func TestConfirmedOnLeader_StaleNode(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	source := writeOrder(t, openClient(t, server.url()), order.TypePlaced, placedBody)
	for name, read := range map[string]func(*kurrent.Client) error{
		"body": func(client *kurrent.Client) error {
			_, err := client.Body(t.Context(), source)
			return err
		},
		"find placed": func(client *kurrent.Client) error {
			_, err := client.FindPlaced(t.Context(), source.Stream)
			return err
		},
		"link target": func(client *kurrent.Client) error {
			_, err := client.ReadLinkTarget(t.Context(), kurrent.Event{Type: "$>", Data: []byte("1@order-1")})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			gw := startGateway(t, server.addr())
			client := openClient(t, gw.url)
			var warm sync.WaitGroup // several connections, all of which turn stale
			for range 4 {
				warm.Go(func() { _ = client.Ping(t.Context()) })
			}
			warm.Wait()
			before := gw.readsBegun()
			require.NoError(t, read(client))
			require.Equal(t, 1, gw.readsBegun()-before, "an existing event takes one round trip")

			gw.makeStale()
			require.NoError(t, read(client))
			require.Equal(t, 3, gw.readsBegun()-before)
			require.Equal(t, 1, gw.readsOnLeader(), "the second read goes to the leading node")
			require.Zero(t, gw.readsOnAnyNode())
		})
	}
}

func TestBody_ManyGoneAtOnce(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	var group sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		group.Go(func() {
			_, errs[i] = client.Body(t.Context(), order.Source{Stream: "order-1", EventID: uuid.NewString()})
		})
	}
	group.Wait()
	for _, err := range errs {
		require.ErrorIs(t, err, order.ErrGone)
	}
}

func TestBody_Outage(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	source := writeOrder(t, openClient(t, server.url()), order.TypePlaced, placedBody)
	client, err := kurrent.Open(kurrent.Config{URL: server.url(), AllowPlaintext: true, CallTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	server.stop()
	_, err = client.Body(t.Context(), source)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.NotErrorIs(t, err, order.ErrGone)
	_, _, err = client.Payments(t.Context(), source)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.NotErrorIs(t, err, order.ErrGone)
}

func TestBody_Invalid(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	source := writeOrder(t, client, order.TypePlaced, `{"orderId":"order-1"}`)
	_, err := client.Body(t.Context(), source)
	var invalid *order.InvalidError
	require.ErrorAs(t, err, &invalid)
}

func TestLinkTarget_NotALink(t *testing.T) {
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
		_, err := openClient(t, urlOf(closedAddress(t))).ReadLinkTarget(t.Context(), link)
		require.ErrorIs(t, err, kurrent.ErrInvalid, name)
	}
}
