package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

func TestPostOrder_RepeatedIsPlacedOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := newID(), newCustomerID()
	sent := body(id, customerID, map[string]any{"loyalty": map[string]any{"card": 7}})
	first := c.post("/orders", sent)
	var got accepted
	first.into(http.StatusCreated, &got)
	require.Equal(t, accepted{id, order.StatusPending}, got)
	require.Equal(t, "/orders/"+id, first.header.Get("Location"))

	c.post("/orders", sent).into(http.StatusOK, &got)
	require.Equal(t, accepted{id, order.StatusPending}, got)
	stored := readAll(t, id)
	require.Len(t, stored, 1)
	require.Contains(t, string(stored[0].Data), `"loyalty":{"card":7}`, "what is not known is kept")
	require.JSONEq(t, `{"$correlationId":"`+id+`"}`, string(stored[0].Metadata))

	other := body(id, customerID, nil)
	require.Contains(t, c.post("/orders", other).problem(http.StatusConflict).Detail, "another order")
	require.Len(t, readAll(t, id), 1)
}

func TestOrderState_WorkflowThatCannotBeQueriedIsLogged(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	a := shared.api()
	a.logger = slog.New(slog.NewTextHandler(&log, nil))
	c := newClient(t, a)
	id := newID()
	c.post("/orders", body(id, newCustomerID(), nil))
	require.Equal(t, http.StatusOK, c.get("/orders/"+id).status)
	require.Empty(t, log.String(), "an order without a workflow waits for the starter")

	a.workflows = broken{err: errors.New("canary")}

	require.Equal(t, http.StatusOK, c.get("/orders/"+id).status)
	require.Contains(t, log.String(), "canary")
	require.NotContains(t, log.String(), id)
}

func TestPostOrder_EquivalentBodiesAreTheSameOrder(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id := newID()
	tail := `"lineItems":[{"productId":"1","quantity":1,"pricePerUnit":"USD1.00","taxRate":%s}],"billing":{"recipient":{"emailAddress":"a@example.com"}}}`
	one := `{"orderId":"` + id + `","customerId":"c-\u0061","at":"2025-01-01T00:00:00Z",` + strings.Replace(tail, "%s", "0.10", 1)
	two := `{ "customerId":"c-a", "orderId":"` + id + `","at":"2025-01-01T00:00:00Z", ` + strings.Replace(tail, "%s", "1e-1", 1)
	require.Equal(t, http.StatusCreated, c.post("/orders", []byte(one)).status)
	require.Equal(t, http.StatusOK, c.post("/orders", []byte(two)).status)
	later := strings.Replace(two, "2025-01-01", "2025-01-02", 1)
	require.Equal(t, http.StatusConflict, c.post("/orders", []byte(later)).status)
}

func TestPostOrder_ComparesNumbersByValue(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	with := func(id, number string) []byte {
		return []byte(`{"orderId":"` + id + `","customerId":"c","at":"2025-01-01T00:00:00Z","note":{"n":[` + number + `]},` +
			`"lineItems":[{"productId":"1","quantity":1,"pricePerUnit":"USD1.00","taxRate":0}],"billing":{"recipient":{"emailAddress":"a@example.com"}}}`)
	}
	for stored, others := range map[string]map[string]int{
		"9007199254740992": {"9007199254740993": http.StatusConflict, "9007199254740992.0": http.StatusOK, "9.007199254740992E15": http.StatusOK},
		"1":                {"1.0": http.StatusOK, "10e-1": http.StatusOK, "-1": http.StatusConflict, "1.0000000000000001": http.StatusConflict},
		"-0":               {"0.000": http.StatusOK, "0e7": http.StatusOK},
		"1e999999999":      {"10e999999998": http.StatusOK, "1e999999998": http.StatusConflict},
		"1e9999999990":     {"1e9999999990": http.StatusOK, "10e9999999989": http.StatusConflict},
	} {
		id := newID()
		require.Equal(t, http.StatusCreated, c.post("/orders", with(id, stored)).status)
		for other, want := range others {
			require.Equal(t, want, c.post("/orders", with(id, other)).status, "%s after %s", other, stored)
		}
	}
}

func TestPostOrder_AssignsMissingIDAndTime(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	bare := body("", newCustomerID(), map[string]any{"orderId": nil, "at": nil})
	var first, second accepted
	c.post("/orders", bare).into(http.StatusCreated, &first)
	c.post("/orders", bare).into(http.StatusCreated, &second)
	require.NotEqual(t, first.OrderID, second.OrderID, "without an id, a repeat is another order")
	var state order.State
	c.get("/orders/"+first.OrderID).into(http.StatusOK, &state)
	require.False(t, state.PlacedAt.IsZero())

	bare["orderId"] = newID() // with an id and without a time, a repeat is the same order
	require.Equal(t, http.StatusCreated, c.post("/orders", bare).status)
	require.Equal(t, http.StatusOK, c.post("/orders", bare).status)
}

func TestPostOrder_ConcurrentlyIsPlacedOnce(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for range 10 {
		sent, statuses := body(newID(), newCustomerID(), map[string]any{"at": nil}), make([]int, 4)
		var all sync.WaitGroup
		for i := range statuses {
			request := c.request(http.MethodPost, "/orders", sent)
			all.Go(func() { statuses[i] = c.status(request) })
		}
		all.Wait()
		require.ElementsMatch(t, []int{201, 200, 200, 200}, statuses)
		require.Len(t, readAll(t, sent["orderId"].(string)), 1)
	}
}

// lossy loses the answers of appends.
type lossy struct {
	orderStreams
	lose int
}

func (l *lossy) Append(ctx context.Context, stream string, expected kurrent.Expected, events ...kurrent.NewEvent) (uint64, error) {
	revision, err := l.orderStreams.Append(ctx, stream, expected, events...)
	if l.lose--; l.lose >= 0 {
		return 0, kurrent.ErrUnavailable
	}
	return revision, err
}

func TestPostOrder_LostResponsePlacesNothingTwice(t *testing.T) {
	t.Parallel()
	for lost, want := range map[int]int{1: http.StatusCreated, 2: http.StatusServiceUnavailable} {
		a := shared.api()
		a.streams = &lossy{orderStreams: shared.orders, lose: lost}
		c, sent := newClient(t, a), body(newID(), newCustomerID(), nil)
		got := c.post("/orders", sent)
		require.Equal(t, want, got.status, got.body)
		require.Equal(t, http.StatusOK, c.post("/orders", sent).status, "the same again, after an answer that was lost")
		require.Len(t, readAll(t, sent["orderId"].(string)), 1)
	}
}

func TestPostOrder_AfterOtherEvents(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for what, first := range map[string]kurrent.NewEvent{
		"a cancellation that came first":     event(order.TypeCancellationRequested, []byte(`{"reason":"early"}`)),
		"an order that was parked":           event(order.TypePlaced, []byte(`{"lineItems":[]}`)),
		"an event that is somebody else's":   event("order-viewed", []byte(`{}`)),
		"an order that was parked, by alias": event(order.TypePlacedAlias, []byte(`nonsense`)),
	} {
		id := newID()
		_, err := shared.events.Append(t.Context(), id, kurrent.NoStream(), first)
		require.NoError(t, err)
		require.Equal(t, http.StatusNotFound, c.get("/orders/"+id).status, what)
		sent := body(id, newCustomerID(), nil)
		require.Equal(t, http.StatusCreated, c.post("/orders", sent).status, what)
		require.Equal(t, http.StatusOK, c.post("/orders", sent).status, what)
		require.Len(t, readAll(t, id), 2, what)
	}
}

func TestPostOrder_FaultsNameTheirField(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	line := func(changes map[string]any) map[string]any {
		b := body(newID(), "c", nil)
		for name, value := range changes {
			b["lineItems"].([]any)[0].(map[string]any)[name] = value
		}
		return b
	}
	for field, sent := range map[string]any{
		"orderId":                   body("cart-1", "c", nil),
		"customerId":                body(newID(), "", nil),
		"lineItems":                 body(newID(), "c", map[string]any{"lineItems": []any{}}),
		"at":                        body(newID(), "c", map[string]any{"at": "yesterday"}),
		"lineItems[0].quantity":     line(map[string]any{"quantity": 0}),
		"lineItems[0].pricePerUnit": line(map[string]any{"pricePerUnit": "canary"}),
	} {
		p := c.post("/orders", sent).problem(http.StatusUnprocessableEntity)
		require.Equal(t, field, p.Field, p.Detail)
		require.NotContains(t, p.Detail, "canary", "a value is never repeated")
	}
	require.Equal(t, "orderId", c.post("/orders", body("", "c", map[string]any{"orderId": 7})).problem(422).Field)
	require.Contains(t, c.post("/orders", []byte(strings.Repeat(`{"a":`, 20_000))).problem(422).Detail, "nested")
	require.Equal(t, "at", c.post("/orders", []byte(`{"at":"","at":""}`)).problem(422).Field, "a member twice")
	require.Equal(t, "orderId", c.post("/orders", []byte(`{"orderId":null}`)).problem(422).Field)
}

func TestBody_RefusesMalformedJSON(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for what, sent := range map[string]string{
		"nothing": "", "no JSON": "{", "a list": "[]", "null": "null", "two values": `{} {}`,
	} {
		for _, path := range append(messagePaths(newID()), "/orders", "/orders/"+newID()+"/cancel", "/customers") {
			require.Equal(t, http.StatusBadRequest, c.post(path, []byte(sent)).status, "%s to %s", what, path)
		}
		require.Equal(t, http.StatusBadRequest, c.put("/customers/c/credit-limit", []byte(sent)).status, what)
	}
}

func TestBody_LimitsSizeAndType(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	long := []byte(`{"a":"` + strings.Repeat("x", maxBody) + `"}`)
	methods := map[string]string{
		"/orders": "POST", "/orders/" + newID() + "/cancel": "POST", "/customers": "POST", "/customers/c/credit-limit": "PUT",
	}
	for _, path := range messagePaths(newID()) {
		methods[path] = "POST"
	}
	for path, method := range methods {
		require.Contains(t, c.ask(method, path, long).problem(http.StatusRequestEntityTooLarge).Detail, "262144")
		c.ask(method, path, []byte("{}"), func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }).
			problem(http.StatusUnsupportedMediaType)
	}
}

func TestBody_RefusesContentEncoding(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	for encoding, want := range map[string]int{
		"gzip": http.StatusUnsupportedMediaType, "br, gzip": http.StatusUnsupportedMediaType, "identity": http.StatusCreated,
	} {
		got := c.ask(http.MethodPost, "/orders", body(newID(), newCustomerID(), nil), func(r *http.Request) {
			r.Header.Set("Content-Encoding", encoding)
		})
		require.Equal(t, want, got.status, encoding)
	}
}

// TestDocument_RequiresWhatTheDecoderRequires leaves out each member of an order in turn.
func TestDocument_RequiresWhatTheDecoderRequires(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	schemas := loadDocument(t).Components.Schemas
	newOrder := schemas["NewOrder"].Value
	line := newOrder.Properties["lineItems"].Value.Items.Value
	whole := func() (map[string]any, map[string]any) {
		item := map[string]any{"productId": "1", "productName": "n", "quantity": 1, "pricePerUnit": "USD1.00", "taxRate": 0.1}
		party := map[string]any{"recipient": map[string]any{"emailAddress": "a@example.com"}}
		return map[string]any{
			"orderId": newID(), "customerId": newCustomerID(), "at": "2025-01-01T00:00:00Z", "lineItems": []any{item},
			"billing": party, "shipping": party, "language": "de",
		}, item
	}
	sent, item := whole()
	for name, schema := range map[string]*openapi3.Schema{"order": newOrder, "line": line} {
		example := map[string]map[string]any{"order": sent, "line": item}[name]
		require.Len(t, schema.Properties, len(example), "every member of the %s is left out once", name)
		for member := range schema.Properties {
			sent, item := whole()
			delete(map[string]map[string]any{"order": sent, "line": item}[name], member)
			want := http.StatusCreated
			if slices.Contains(schema.Required, member) {
				want = http.StatusUnprocessableEntity
			}
			require.Equal(t, want, c.post("/orders", sent).status, "%s without %s", name, member)
		}
	}
}

func TestGetOrder_NotFound(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	c.get("/orders/" + newID()).problem(http.StatusNotFound)
	require.Equal(t, "id", c.get("/orders/nonsense").problem(http.StatusUnprocessableEntity).Field)
	for _, path := range messagePaths("nonsense") {
		require.Equal(t, "id", c.post(path, map[string]any{}).problem(http.StatusUnprocessableEntity).Field)
	}
	require.Equal(t, "id", c.post("/orders/nonsense/cancel", map[string]any{"reason": "x"}).problem(http.StatusUnprocessableEntity).Field)
}

func TestGetOrder_ShowsReleasedCredit(t *testing.T) {
	t.Parallel()
	c := newClient(t, shared.api())
	id, customerID := c.fulfill()
	require.Equal(t, order.CreditReserved, c.await(id, order.StatusFulfilling).Credit)
	release(t, id, customerID)
	until(t, func(now teller) {
		var state order.State
		c.telling(now).get("/orders/"+id).into(http.StatusOK, &state)
		require.Equal(now, order.StatusFulfilling, state.Status)
		require.Equal(now, order.CreditReleased, state.Credit)
	})
}

func readAll(t *testing.T, stream string) (events []kurrent.Event) {
	t.Helper()
	require.NoError(t, shared.events.ReadStream(t.Context(), stream, 0, 0, func(e kurrent.Event) error {
		events = append(events, e)
		return nil
	}))
	return events
}

func TestPostOrder_OutageReturnsGeneratedID(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.streams = &lossy{orderStreams: shared.orders, lose: 100}
	sent := body("", newCustomerID(), map[string]any{"orderId": nil, "at": nil})
	got := newClient(t, a).post("/orders", sent)
	p := got.problem(http.StatusServiceUnavailable)
	require.True(t, order.ValidID(p.OrderID), p.OrderID)
	require.Equal(t, "/orders/"+p.OrderID, got.header.Get("Location"))
	require.Contains(t, p.Detail, "repeat the request with this orderId")
	require.Equal(t, "5", got.header.Get("Retry-After"))

	sent["orderId"] = p.OrderID
	var again accepted
	newClient(t, shared.api()).post("/orders", sent).into(http.StatusOK, &again)
	require.Equal(t, p.OrderID, again.OrderID)
	require.Len(t, readAll(t, p.OrderID), 1)

	sent["orderId"] = newID()
	got = newClient(t, a).post("/orders", sent)
	require.Empty(t, got.problem(http.StatusServiceUnavailable).OrderID, "who sent an id knows it")
}
