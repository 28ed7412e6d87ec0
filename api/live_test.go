package main

import (
	"bufio"
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/access"
)

// listen opens a stream of changes, and returns its lines until it ends.
func (c *caller) listen(path string) <-chan string {
	c.t.Helper()
	ctx, stop := context.WithCancel(c.ctx)
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	require.NoError(c.t, err)
	response, err := (&http.Client{Transport: &http.Transport{}}).Do(request)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, response.StatusCode)
	require.Equal(c.t, eventStream, response.Header.Get("Content-Type"))
	seen.add("getLive", response.StatusCode) // the inspector would wait for its end
	c.t.(*testing.T).Cleanup(stop)
	lines := make(chan string)
	go func() {
		defer close(lines)
		defer response.Body.Close()
		for scanner := bufio.NewScanner(response.Body); scanner.Scan(); {
			select {
			case lines <- scanner.Text():
			case <-ctx.Done():
				return
			}
		}
	}()
	require.Equal(c.t, "retry: 5000", <-lines)
	return lines
}

// awaitChange returns once a stream has reported a change.
func awaitChange(t *testing.T, lines <-chan string) {
	t.Helper()
	for line := range lines {
		if line == "event: changed" {
			return
		}
	}
	require.Fail(t, "the stream ended")
}

func TestLive(t *testing.T) {
	t.Parallel()
	a := shared.api()
	a.live.every = 10 * time.Millisecond
	c := newClient(t, a)
	id, _ := c.fulfill()
	overview, page := c.listen("/live"), c.listen("/live?order="+id)
	domainEvent(t, "order-approved", id, `"customerId":"c","status":"fulfilling","total":"USD1.00"`)
	awaitChange(t, page)
	awaitChange(t, overview)

	a.live.stop() // as the server's shutdown does
	for range page {
	}
	for range overview {
	}
	require.Eventually(t, func() bool { return len(a.live.slots) == 0 }, time.Minute, time.Millisecond)
}

func TestLive_EndsWithItsReader(t *testing.T) {
	t.Parallel()
	a := shared.api()
	c := newClient(t, a)
	ctx, leave := context.WithCancel(t.Context())
	c.ctx = ctx
	lines := c.listen("/live")
	require.Len(t, a.live.slots, 1)
	leave()
	for range lines {
	}
	require.Eventually(t, func() bool { return len(a.live.slots) == 0 }, time.Minute, time.Millisecond)
}

func TestLive_Refused(t *testing.T) {
	t.Parallel()
	a := shared.api()
	c := newClient(t, a)
	require.Equal(t, "order", c.get("/live?order=x").problem(http.StatusUnprocessableEntity).Field)
	c.ask("GET", "/live", nil, func(r *http.Request) { r.Host = "evil.example.com" }).problem(http.StatusMisdirectedRequest)
	for range maxLive {
		a.live.slots <- struct{}{}
	}
	full := c.get("/live")
	require.Equal(t, "too many pages are live", full.problem(http.StatusServiceUnavailable).Detail)
	require.Equal(t, "5", full.header.Get("Retry-After"))

	withTokens(t, a, tokenLine("shop", token, access.Place))
	now := time.Now()
	a.now = func() time.Time { return now }
	a.limit = newRateLimit(1, 1)
	c.get("/live").problem(http.StatusUnauthorized)
	require.True(t, strings.HasSuffix(c.ask("GET", "/live", nil, bearer(token)).problem(http.StatusForbidden).Detail, "role read"))
	c.ask("GET", "/live", nil, bearer(token)).problem(http.StatusTooManyRequests)
}
