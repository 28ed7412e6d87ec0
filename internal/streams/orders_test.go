package streams_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/streams"
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
	placed := kurrentsimtest.Event(placedType, body)
	_, err := client.Append(t.Context(), "order-1", kurrent.NoStream(), kurrentsimtest.Event("order-drafted", `{}`), placed, kurrentsimtest.Event("order-paid", `{}`))
	require.NoError(t, err)
	return order.Source{Stream: "order-1", Revision: 1, EventID: placed.ID.String()}
}

func TestBody(t *testing.T) {
	t.Parallel()
	for _, placedType := range []string{order.TypePlaced, order.TypePlacedAlias} {
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		source := writeOrder(t, client, placedType, placedBody)
		placed, err := streams.Orders{Client: client}.Body(t.Context(), source)
		require.NoError(t, err)
		require.Equal(t, "USD22.00", placed.Total.String())
		found, err := streams.Orders{Client: client}.FindPlaced(t.Context(), "order-1")
		require.NoError(t, err)
		require.Equal(t, source.EventID, found.ID.String())
	}
}

func TestBody_Gone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		damage func(t *testing.T, server *kurrentsimtest.Server, source *order.Source)
		want   error // of FindPlaced, which may find another order
	}{
		"its stream was deleted": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			_, err := kurrentsimtest.OfficialClient(t, server.URL()).DeleteStream(t.Context(), "order-1", kurrentdb.DeleteStreamOptions{})
			require.NoError(t, err)
		}},
		"its stream was tombstoned": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			_, err := kurrentsimtest.OfficialClient(t, server.URL()).TombstoneStream(t.Context(), "order-1", kurrentdb.TombstoneStreamOptions{})
			require.NoError(t, err)
		}},
		"its stream was deleted, and an event followed": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			_, err := kurrentsimtest.OfficialClient(t, server.URL()).DeleteStream(t.Context(), "order-1", kurrentdb.DeleteStreamOptions{})
			require.NoError(t, err)
			_, err = kurrentsimtest.OpenClient(t, server.URL()).Append(t.Context(), "order-1", kurrent.Any(), kurrentsimtest.Event("order-paid", `{}`))
			require.NoError(t, err)
		}},
		"its stream was truncated": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			kurrentsimtest.Truncate(t, server.URL(), "order-1", 2)
		}},
		"all of its stream was truncated": {want: kurrent.ErrDeleted, damage: func(t *testing.T, server *kurrentsimtest.Server, _ *order.Source) {
			kurrentsimtest.Truncate(t, server.URL(), "order-1", 3)
		}},
		"its stream never existed": {want: kurrent.ErrNotFound, damage: func(_ *testing.T, _ *kurrentsimtest.Server, source *order.Source) {
			source.Stream = "order-2"
		}},
		"another event is stored there": {damage: func(_ *testing.T, _ *kurrentsimtest.Server, source *order.Source) {
			source.EventID = uuid.NewString()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := kurrentsimtest.StartServer(t)
			client := kurrentsimtest.OpenClient(t, server.URL())
			source := writeOrder(t, client, order.TypePlaced, placedBody)
			c.damage(t, server, &source)
			_, err := streams.Orders{Client: client}.Body(t.Context(), source)
			require.ErrorIs(t, err, order.ErrGone)
			_, err = streams.Orders{Client: client}.FindPlaced(t.Context(), source.Stream)
			require.ErrorIs(t, err, c.want)
		})
	}
}

func TestFindPlaced(t *testing.T) {
	t.Parallel()
	good := kurrentsimtest.Event(order.TypePlaced, placedBody)
	other := kurrentsimtest.Event("order-drafted", `{}`)
	bad, worse := kurrentsimtest.Event(order.TypePlacedAlias, `{"orderId":"order-1"}`), kurrentsimtest.Event(order.TypePlaced, `{"orderId":`)
	for name, c := range map[string]struct {
		events  []kurrent.NewEvent
		found   bool
		invalid string // if empty, ErrNotFound is expected
	}{
		"a corrected one follows":                 {events: []kurrent.NewEvent{bad, worse, good}, found: true},
		"another good one follows":                {events: []kurrent.NewEvent{good, kurrentsimtest.Event(order.TypePlaced, placedBody)}, found: true},
		"a bad one follows":                       {events: []kurrent.NewEvent{other, good, bad}, found: true},
		"all are bad":                             {events: []kurrent.NewEvent{other, bad, worse}, invalid: "customerId: is missing"},
		"all are bad, the first more":             {events: []kurrent.NewEvent{worse, bad}, invalid: "is not JSON: it ends too early"},
		"there is none":                           {events: []kurrent.NewEvent{other}},
		"its body is in an event of another type": {events: []kurrent.NewEvent{{ID: good.ID, Type: order.TypePaid, Data: good.Data}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
			_, err := client.Append(t.Context(), "order-1", kurrent.NoStream(), c.events...)
			require.NoError(t, err)
			event, err := streams.Orders{Client: client}.FindPlaced(t.Context(), "order-1")
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
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	place := func(stream string, behind int) {
		for behind > 0 {
			events := make([]kurrent.NewEvent, min(behind, 1000))
			for i := range events {
				events[i] = kurrentsimtest.Event("order-noted", `{}`)
			}
			_, err := client.Append(t.Context(), stream, kurrent.Any(), events...)
			require.NoError(t, err)
			behind -= len(events)
		}
		_, err := client.Append(t.Context(), stream, kurrent.Any(), kurrentsimtest.Event(order.TypePlaced, strings.Replace(placedBody, "order-1", stream, 1)))
		require.NoError(t, err)
	}
	place("order-9999", 9_999)
	found, err := streams.Orders{Client: client}.FindPlaced(t.Context(), "order-9999")
	require.NoError(t, err)
	require.EqualValues(t, 9_999, found.Revision)
	place("order-10000", 10_000)
	_, err = streams.Orders{Client: client}.FindPlaced(t.Context(), "order-10000")
	require.ErrorIs(t, err, kurrent.ErrNotFound)
}

func TestConfirmedOnLeader_StaleNode(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	source := writeOrder(t, kurrentsimtest.OpenClient(t, server.URL()), order.TypePlaced, placedBody)
	for name, read := range map[string]func(streams.Orders) error{
		"body": func(orders streams.Orders) error {
			_, err := orders.Body(t.Context(), source)
			return err
		},
		"find placed": func(orders streams.Orders) error {
			_, err := orders.FindPlaced(t.Context(), source.Stream)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			kurrentsimtest.RequireConfirmed(t, server, func(client *kurrent.Client) error { return read(streams.Orders{Client: client}) })
		})
	}
}

func TestBody_ManyGoneAtOnce(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	var group sync.WaitGroup
	errs := make([]error, 200)
	for i := range errs {
		group.Go(func() {
			_, errs[i] = streams.Orders{Client: client}.Body(t.Context(), order.Source{Stream: "order-1", EventID: uuid.NewString()})
		})
	}
	group.Wait()
	for _, err := range errs {
		require.ErrorIs(t, err, order.ErrGone)
	}
}

func TestBody_Outage(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	source := writeOrder(t, kurrentsimtest.OpenClient(t, server.URL()), order.TypePlaced, placedBody)
	client, err := kurrent.Open(kurrent.Config{URL: server.URL(), AllowPlaintext: true, CallTimeout: 200 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	server.Stop()
	_, err = streams.Orders{Client: client}.Body(t.Context(), source)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.NotErrorIs(t, err, order.ErrGone)
	_, _, err = streams.Orders{Client: client}.Payments(t.Context(), source)
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.NotErrorIs(t, err, order.ErrGone)
}

func TestBody_Invalid(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	source := writeOrder(t, client, order.TypePlaced, `{"orderId":"order-1"}`)
	_, err := streams.Orders{Client: client}.Body(t.Context(), source)
	var invalid *order.InvalidError
	require.ErrorAs(t, err, &invalid)
}
