package main

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
)

func TestLimitRate(t *testing.T) {
	t.Parallel()
	a := shared.api()
	withTokens(t, a, tokenLine("shop", token, access.Roles()...), tokenLine("shop", "its next token", access.Read), tokenLine("ops", "another", access.Read))
	now := time.Now()
	a.now = func() time.Time { return now }
	a.limit = newRateLimit(2, 3)
	c := newClient(t, a)
	status := func(token string) int { return c.ask("GET", "/style.css", nil, bearer(token)).status }
	for range 3 {
		require.Equal(t, http.StatusOK, status(token))
	}
	everywhere(c, bearer(token), func(request string, got reply) {
		require.Equal(t, "the token has made too many requests", got.problem(http.StatusTooManyRequests).Detail, request)
		require.Equal(t, "1", got.header.Get("Retry-After"), "half a second, rounded up")
	})
	require.Equal(t, http.StatusTooManyRequests, status("its next token"), "the name counts, not the token")
	require.Equal(t, http.StatusOK, status("another"), "the other callers are not limited")
	require.Equal(t, http.StatusUnauthorized, status("unknown"))
	now = now.Add(500 * time.Millisecond)
	require.Equal(t, http.StatusOK, status(token), "what was refused did not count")
	require.Equal(t, http.StatusTooManyRequests, status(token))
}

func TestLimitRate_Off(t *testing.T) {
	t.Parallel()
	a := shared.api()
	now := time.Now()
	a.now = func() time.Time { return now }
	a.limit = newRateLimit(1, 1)
	c := newClient(t, a)
	for range 3 {
		require.Equal(t, http.StatusOK, c.get("/style.css").status, "there is no token to limit")
	}
	withTokens(t, a, tokenLine("shop", token, access.Read))
	a.limit = newRateLimit(0, 1)
	for range 3 {
		require.Equal(t, http.StatusOK, c.ask("GET", "/style.css", nil, bearer(token)).status)
	}
}

func TestRateLimit_BoundsMemory(t *testing.T) {
	t.Parallel()
	limit := newRateLimit(1, 1)
	for i := range 3 * maxBuckets {
		require.Zero(t, limit.reserve(fmt.Sprint(i), time.Now()))
		require.LessOrEqual(t, len(limit.buckets), maxBuckets)
	}
}
