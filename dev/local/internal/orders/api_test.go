package orders_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/local/internal/orders"
	"orderflow/internal/order"
)

// newAPI returns a client of an api that has one order, and requires a token.
func newAPI(t *testing.T) orders.API {
	t.Helper()
	const token = "0123456789abcdef"
	routes := http.NewServeMux()
	routes.HandleFunc("GET /orders/order-1", func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer "+token {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = w.Write([]byte(`{"orderId":"order-1","customerId":"c-1","status":"on-hold","reason":"INSUFFICIENT_CREDIT","total":"USD12.10",
			"credit":"held","email":"none","carrier":"","trackingNumber":"","placedAt":"2025-01-01T00:00:00Z","updatedAt":"2025-01-01T00:00:01Z"}`))
	})
	routes.HandleFunc("GET /orders/order-2", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"title":"Service Unavailable","status":503,"detail":"a store does not answer"}`))
	})
	server := httptest.NewServer(routes)
	t.Cleanup(server.Close)
	return orders.API{URL: server.URL, Token: token, HTTP: server.Client()}
}

func TestState_Found(t *testing.T) {
	t.Parallel()
	state, err := newAPI(t).State(t.Context(), "order-1")

	require.NoError(t, err)
	placedAt := time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)
	total, err := order.ParseMoney("USD12.10")
	require.NoError(t, err)
	require.Equal(t, order.State{
		OrderID: "order-1", CustomerID: "c-1", Status: order.StatusOnHold, Reason: order.ReasonInsufficientCredit, Total: total,
		Credit: order.CreditHeld, Email: "none", PlacedAt: placedAt, UpdatedAt: placedAt.Add(time.Second),
	}, state)
}

func TestState_Unknown(t *testing.T) {
	t.Parallel()
	_, err := newAPI(t).State(t.Context(), "order-3")

	require.ErrorIs(t, err, orders.ErrUnknown)
}

func TestState_Outage(t *testing.T) {
	t.Parallel()
	_, err := newAPI(t).State(t.Context(), "order-2")

	require.ErrorContains(t, err, "a store does not answer")
	require.NotErrorIs(t, err, orders.ErrUnknown)
}

func TestState_RefusedToken(t *testing.T) {
	t.Parallel()
	api := newAPI(t)
	api.Token = ""
	_, err := api.State(t.Context(), "order-1")

	require.ErrorContains(t, err, "401 Unauthorized")
}
