package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// customerView is the api's response about a customer.
type customerView struct {
	Limit, Reserved, Available string
	Orders                     int
	Recent                     []struct{ OrderID, Status, Reason, Credit, Carrier string }
	LagEvents                  *int
}

// request sends JSON to the api and returns status and body.
func (s *stackClient) request(method, path string, body any) (int, []byte) {
	s.t.Helper()
	status, received, err := s.ask(method, path, body)
	require.NoError(s.t, err)
	return status, received
}

func (s *stackClient) ask(method, path string, body any) (int, []byte, error) {
	var sent io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		sent = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(s.t.Context(), method, s.stack.APIURL+path, sent)
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Content-Type", "application/json")
	answer, err := s.stack.secured.do(request)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	received, err := io.ReadAll(answer.Body)
	if canary := canaryIn(string(received)); answer.StatusCode >= http.StatusBadRequest && canary != "" {
		return 0, nil, fmt.Errorf("%s %s: the error contains %q: %s", method, path, canary, received)
	}
	return answer.StatusCode, received, err
}

// awaitCustomer waits until the view of a customer with one order has these values.
func (s *stackClient) awaitCustomer(id, status, credit, available string) customerView {
	s.t.Helper()
	var seen customerView
	require.EventuallyWithT(s.t, func(c *assert.CollectT) {
		code, body, err := s.ask(http.MethodGet, "/customers/"+id, nil)
		require.NoError(c, err)
		require.Equal(c, http.StatusOK, code, string(body))
		seen = customerView{}
		require.NoError(c, json.Unmarshal(body, &seen))
		require.Len(c, seen.Recent, 1)
		require.Equal(c, []string{status, credit, available}, []string{seen.Recent[0].Status, seen.Recent[0].Credit, seen.Available})
	}, patience, 50*time.Millisecond)
	return seen
}

// published returns the types of the domain events of an order, and the last one's body.
func (s *stackClient) published(orderID string) (types []string, last map[string]any) {
	s.t.Helper()
	stream, err := s.events.ReadStream(s.t.Context(), "fulfillment-"+orderID, kurrentdb.ReadStreamOptions{From: kurrentdb.Start{}}, 100)
	require.NoError(s.t, err)
	defer stream.Close()
	for {
		event, err := stream.Recv()
		if err != nil {
			require.ErrorIs(s.t, err, io.EOF)
			return types, last
		}
		types = append(types, event.Event.EventType)
		last = map[string]any{}
		require.NoError(s.t, json.Unmarshal(event.Event.Data, &last))
		require.NotContains(s.t, string(event.Event.Data), "Canary", "domain events hold no personal data")
	}
}

func TestHTTP_PlacedOrderShips(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	b := orderSpec{}.complete()
	code, body := s.request(http.MethodPost, "/customers", map[string]any{"customerId": b.customer, "limit": "USD500.00"})
	require.Equal(t, http.StatusCreated, code, string(body))
	code, body = s.request(http.MethodPost, "/orders", b.body())
	require.Equal(t, http.StatusCreated, code, string(body))
	seen := s.awaitCustomer(b.customer, "fulfilling", "reserved", "USD258.00")
	require.Equal(t, "USD242.00", seen.Reserved)
	code, body = s.request(http.MethodPost, "/orders", b.body())
	require.Equal(t, http.StatusOK, code, string(body))

	s.awaitStatus(b.id, order.StatusFulfilling) // the view may be updated before the workflow
	_, err := s.update(b.id, "record-shipment", shipped)
	require.NoError(t, err)

	seen = s.awaitCustomer(b.customer, "shipped", "reserved", "USD258.00")
	require.Equal(t, "DHL", seen.Recent[0].Carrier)
	types, last := s.published(b.id)
	require.Equal(t, []string{"order-approved", "order-shipped"}, types)
	require.Equal(t, "shipped", last["status"])
	require.EqualValues(t, 1, last["revision"])
	code, body = s.request(http.MethodGet, "/orders/"+b.id, nil)
	require.Equal(t, http.StatusOK, code)
	require.Contains(t, string(body), `"status":"shipped"`)
	code, body = s.request(http.MethodPost, "/orders/"+b.id+"/cancel", map[string]any{"reason": "too-late"})
	require.Equal(t, http.StatusConflict, code, string(body))
}

func TestHTTP_CanceledOrder(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	b := orderSpec{}.complete()
	code, body := s.request(http.MethodPost, "/orders", b.body())
	require.Equal(t, http.StatusCreated, code, string(body))
	s.awaitCustomer(b.customer, "fulfilling", "reserved", "USD9758.00")

	code, body = s.request(http.MethodPost, "/orders/"+b.id+"/cancel", map[string]any{"reason": "customer-request"})

	if code != http.StatusAccepted { // compensation may take longer than the api waits on a busy machine
		require.Equal(t, http.StatusOK, code, string(body))
		require.Contains(t, string(body), `"status":"cancelled"`)
	}
	s.awaitCustomer(b.customer, "cancelled", "released", "USD10000.00")
	types, last := s.published(b.id)
	require.Equal(t, []string{"order-approved", "order-cancelled"}, types)
	require.Equal(t, "CANCELLED", last["reason"])
}
