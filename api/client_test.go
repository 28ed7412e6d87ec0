package main

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// caller asks an api in a server of its own, and holds every answer against the document.
type caller struct {
	t      *testing.T
	url    string
	client *http.Client
}

func newClient(t *testing.T, a *api) *caller {
	t.Helper()
	server := httptest.NewServer(a.handler())
	t.Cleanup(server.Close)
	c := &caller{t: t, url: server.URL, client: server.Client()}
	c.client.Transport = newInspector(t, c.client.Transport)
	c.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return c
}

// reply is an answer, read whole.
type reply struct {
	t      *testing.T
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
	response, err := c.client.Do(r)
	require.NoError(c.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(c.t, err)
	return reply{c.t, response.StatusCode, response.Header, string(body)}
}

func (c *caller) request(method, path string, value any) *http.Request {
	c.t.Helper()
	var sent []byte
	switch value := value.(type) {
	case nil:
	case []byte:
		sent = value
	default:
		var err error
		sent, err = json.Marshal(value)
		require.NoError(c.t, err)
	}
	r, err := http.NewRequestWithContext(c.t.Context(), method, c.url+path, bytes.NewReader(sent))
	require.NoError(c.t, err)
	if value != nil {
		r.Header.Set("Content-Type", jsonType)
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
func (c *caller) place() (id, customerID string) {
	c.t.Helper()
	id, customerID = newID(), newCustomerID()
	require.Equal(c.t, http.StatusCreated, c.post("/orders", body(id, customerID, nil)).status)
	return id, customerID
}

// fulfil places an order and lets its workflow run until it waits for its shipment.
func (c *caller) fulfil() (id, customerID string) {
	c.t.Helper()
	id, customerID = c.place()
	require.NoError(c.t, shared.begin(c.t.Context(), id))
	c.await(id, order.StatusFulfilling)
	return id, customerID
}

func (c *caller) await(id string, want order.Status) (state order.State) {
	c.t.Helper()
	until(c.t, func() bool {
		c.get("/orders/"+id).into(http.StatusOK, &state)
		return state.Status == want
	})
	return state
}

// awaitCustomer asks for a customer until the view has read what it should say.
func (c *caller) awaitCustomer(id string, enough func(customer) bool) (got reply) {
	c.t.Helper()
	until(c.t, func() bool {
		var found customer
		got = c.get("/customers/" + id)
		if got.status == http.StatusOK {
			got.into(http.StatusOK, &found)
		}
		return got.status == http.StatusOK && enough(found)
	})
	return got
}

// until asks again and again, as long as a loaded machine may need.
func until(t *testing.T, done func() bool) {
	t.Helper()
	require.Eventually(t, done, time.Minute, 50*time.Millisecond, "it did not come to pass")
}

func (c *caller) ship(id string) {
	c.t.Helper()
	shipment := workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "00340434292135100186"}
	require.NoError(c.t, shared.temporal.SignalWorkflow(c.t.Context(), id, "", workflows.RecordShipmentMessage, shipment))
	c.await(id, order.StatusShipped)
}

func serveOnly(t *testing.T, h http.Handler) *httptest.Server {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return server
}
