package main

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
	"orderflow/internal/order"
	"orderflow/internal/serverjson"
)

// FuzzSubmission reads orders as POST /orders does. What it accepts is an event that the
// event store delivers and the starter decodes, and equals itself when it is sent again.
func FuzzSubmission(f *testing.F) {
	f.Add([]byte(`{"orderId":"order-1","customerId":"c","at":"2025-01-01T01:11:30Z","billing":{"recipient":{"emailAddress":"a@example.com"}},` +
		`"lineItems":[{"productId":"1","productName":"Lamp","quantity":2,"pricePerUnit":"USD100.00","taxRate":0.21}]}`))
	now := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > maxBody {
			return // refused before it is read
		}
		s, err := newSubmission(sent, now)
		if err != nil {
			p := toProblem(err)
			require.GreaterOrEqual(t, p.Status, 400)
			require.Less(t, p.Status, 500)
			require.Less(t, len(p.Detail)+len(p.Field), 1000)
			return
		}
		require.NoError(t, serverjson.Check(s.body), "an event that no subscription would deliver")
		placed, err := order.DecodePlaced(s.orderID, jsonType, s.body)
		require.NoError(t, err)
		require.Equal(t, s.orderID, placed.OrderID)
		require.True(t, s.same(s.body))
		if s.fresh || !s.timed {
			return // another request is another order, or has another time
		}
		again, err := newSubmission(s.body, now.Add(time.Hour))
		require.NoError(t, err)
		require.True(t, again.same(s.body))
		require.Equal(t, s.body, again.body)
	})
}

// FuzzCredentials presents headers that decide who a caller is. None lets one in who does
// not present the token.
func FuzzCredentials(f *testing.F) {
	f.Add("Bearer "+token, "localhost", "", "")
	f.Add("Basic OjAxMjM0NTY3ODlhYmNkZWY=", "localhost", "same-origin", "http://localhost")
	f.Add("Bearer", "localhost", "cross-site", "null")
	a := shared.api()
	path := filepath.Join(f.TempDir(), "tokens")
	require.NoError(f, os.WriteFile(path, []byte(tokenLine("reader", token, access.Read)), 0o600))
	var err error
	a.tokens, err = access.Open(tokensFile, path, slog.New(slog.DiscardHandler))
	require.NoError(f, err)
	var logged bytes.Buffer
	a.logger = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelError}))
	handler := a.handler()
	f.Fuzz(func(t *testing.T, authorization, host, site, origin string) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r := httptest.NewRequestWithContext(t.Context(), method, "/customers", http.NoBody)
			r.Host = host
			r.Header.Set("Authorization", authorization)
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Origin", origin)
			got := httptest.NewRecorder()
			handler.ServeHTTP(got, r)
			if presented(r) == token {
				require.Contains(t, []int{http.StatusMethodNotAllowed, http.StatusForbidden}, got.Code)
				continue
			}
			require.Equal(t, http.StatusUnauthorized, got.Code, "%q", authorization)
			require.NotContains(t, got.Body.String(), token)
		}
		require.Empty(t, withoutAudit(logged.String()))
		logged.Reset()
	})
}

// FuzzBody decodes the bodies of the other routes. A fault names a member only if it is one
// of the route's own.
func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"customerId":"c","limit":"USD1.00"}`))
	f.Fuzz(func(t *testing.T, sent []byte) {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/customers", bytes.NewReader(sent))
		r.Header.Set("Content-Type", jsonType)
		value, err := decode[newCustomer](httptest.NewRecorder(), r)
		if err == nil {
			require.GreaterOrEqual(t, value.Limit.Minor, int64(0))
			return
		}
		p := toProblem(err)
		require.Less(t, p.Status, 500)
		require.Contains(t, []string{"", "customerId", "limit"}, strings.SplitN(p.Field, "/", 2)[0])
		require.Less(t, len(p.Detail), 300)
		var known *problem
		require.True(t, errors.As(err, &known) || p.Status == http.StatusRequestEntityTooLarge)
	})
}
