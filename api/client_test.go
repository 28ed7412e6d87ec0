package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// teller is who is told what is wrong: a test, or what waits in it for something to come
// to pass.
type teller interface {
	require.TestingT
	Helper()
}

// caller asks an api in a server of its own, and holds every answer against the document.
type caller struct {
	t      teller
	ctx    context.Context
	url    string
	client *http.Client
}

func newClient(t *testing.T, a *api) *caller {
	t.Helper()
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	c := &caller{t: t, ctx: t.Context(), url: server.URL, client: server.Client()}
	c.client.Transport = newInspector(t, c.client.Transport)
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// telling is the same caller for what waits: what is wrong may be right the next time.
func (c *caller) telling(t teller) *caller {
	other := *c
	other.t = t
	return &other
}

// reply is an answer, read whole.
type reply struct {
	t      teller
	status int
	header http.Header
	body   string
}

func (c *caller) get(path string) reply { return c.ask(http.MethodGet, path, nil) }

func (c *caller) post(path string, value any) reply { return c.ask(http.MethodPost, path, value) }
func (c *caller) put(path string, value any) reply  { return c.ask(http.MethodPut, path, value) }

// ask sends a value as JSON, bytes as they are, or nothing; change may alter the request.
func (c *caller) ask(method, path string, value any, change ...func(*http.Request)) reply {
	c.t.Helper()
	r := c.request(method, path, value)
	for _, alter := range change {
		alter(r)
	}
	got, err := c.send(r)
	require.NoError(c.t, err)
	return got
}

// status makes a request beside the test, and gives its answer's status: 0 when there was
// none.
func (c *caller) status(r *http.Request) int {
	got, err := c.send(r)
	assert.NoError(c.t, err)
	return got.status
}

func (c *caller) send(r *http.Request) (reply, error) {
	response, err := c.client.Do(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return reply{c.t, response.StatusCode, response.Header, string(body)}, err
}

func (c *caller) request(method, path string, value any) *http.Request {
	c.t.Helper()
	var sent []byte
	switch value := value.(type) {
	case nil:
	case []byte:
		sent = value
	case url.Values:
		sent = []byte(value.Encode())
	default:
		var err error
		sent, err = json.Marshal(value)
		require.NoError(c.t, err)
	}
	r, err := http.NewRequestWithContext(c.ctx, method, c.url+path, bytes.NewReader(sent))
	require.NoError(c.t, err)
	if value != nil {
		r.Header.Set("Content-Type", jsonType)
	}
	if _, form := value.(url.Values); form { // as a browser sends it from a page of the api
		r.Header.Set("Content-Type", formType)
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return r
}

// into reads an answer of a status.
func (r reply) into(status int, value any) {
	r.t.Helper()
	require.Equal(r.t, status, r.status, r.body)
	require.NoError(r.t, json.Unmarshal([]byte(r.body), value))
}

// problem reads an answer that says what is wrong.
func (r reply) problem(status int) problem {
	r.t.Helper()
	require.Equal(r.t, problemType, r.header.Get("Content-Type"), r.body)
	var p problem
	r.into(status, &p)
	require.Equal(r.t, status, p.Status)
	return p
}

// place places an order of a customer of its own.
func (c *caller) place() (id, customerID string) { return c.placeWith(nil) }

func (c *caller) placeWith(changes map[string]any) (id, customerID string) {
	c.t.Helper()
	id, customerID = newID(), newCustomerID()
	require.Equal(c.t, http.StatusCreated, c.post("/orders", body(id, customerID, changes)).status)
	return id, customerID
}

// fulfill places an order and lets its workflow run until it waits for its shipment.
func (c *caller) fulfill() (id, customerID string) { return c.fulfillWith(nil) }

func (c *caller) fulfillWith(changes map[string]any) (id, customerID string) {
	c.t.Helper()
	id, customerID = c.placeWith(changes)
	require.NoError(c.t, shared.begin(c.ctx, id))
	c.await(id, order.StatusFulfilling)
	until(c.t, func(now teller) { // the row is written first
		value, err := shared.temporal.QueryWorkflow(c.ctx, id, "", workflows.StatusQuery)
		require.NoError(now, err)
		var state order.State
		require.NoError(now, value.Get(&state))
		require.Equal(now, order.StatusFulfilling, state.Status)
	})
	return id, customerID
}

func (c *caller) await(id string, want order.Status) (state order.State) {
	c.t.Helper()
	until(c.t, func(now teller) {
		state = order.State{}
		c.telling(now).get("/orders/"+id).into(http.StatusOK, &state)
		require.Equal(now, want, state.Status)
	})
	return state
}

// awaitCustomer asks for a customer until the view has read what it should say.
func (c *caller) awaitCustomer(id string, enough func(customer) bool) (got reply) {
	c.t.Helper()
	until(c.t, func(now teller) {
		var found customer
		got = c.telling(now).get("/customers/" + id)
		got.into(http.StatusOK, &found)
		require.True(now, enough(found), got.body)
	})
	got.t = c.t
	return got
}

// until asks again and again, as long as a loaded machine may need, and in the end tells
// what was wrong the last time.
func until(t teller, asked func(now teller)) {
	t.Helper()
	require.EventuallyWithT(t, func(now *assert.CollectT) { asked(now) }, time.Minute, 50*time.Millisecond)
}

// saying asks for a page until it holds all of these words, and gives it.
func (c *caller) saying(path string, words ...string) (page string) {
	c.t.Helper()
	until(c.t, func(now teller) {
		page = c.telling(now).get(path).body
		for _, word := range words {
			require.Contains(now, page, word)
		}
	})
	return page
}

func (c *caller) ship(id string) {
	c.t.Helper()
	shipment := workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}
	require.NoError(c.t, shared.temporal.SignalWorkflow(c.ctx, id, "", workflows.RecordShipmentMessage, shipment))
	c.await(id, order.StatusShipped)
}

func serveOnly(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}
