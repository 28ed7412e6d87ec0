package kurrent_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// callers is how many concurrent calls run into an outage: more than there are
// connections.
const callers = 50

// callConcurrently makes concurrent calls with a short timeout each, and returns the time
// of the slowest and all errors.
func callConcurrently(ctx context.Context, client *kurrent.Client, timeout time.Duration) (slowest time.Duration, failures []error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, timeout)
			defer cancel()
			began := time.Now()
			err := appendOne(ctx, client, "outage-1")
			mu.Lock()
			defer mu.Unlock()
			slowest = max(slowest, time.Since(began))
			if err != nil {
				failures = append(failures, err)
			}
		})
	}
	group.Wait()
	return slowest, failures
}

func TestCall_EndsWithItsContext(t *testing.T) {
	for name, address := range map[string]func(*testing.T) string{
		"refuses connections":                    kurrentsimtest.ClosedAddress,
		"accepts connections and never responds": silentAddress,
	} {
		t.Run(name, func(t *testing.T) {
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.URL(address(t)))
			before := runtime.NumGoroutine()
			for range 5 {
				slowest, failures := callConcurrently(t.Context(), client, 200*time.Millisecond)
				t.Logf("slowest of %d calls: %s, goroutines %d -> %d", callers, slowest, before, runtime.NumGoroutine())
				require.Less(t, slowest, kurrentsimtest.Promptly)
				require.Len(t, failures, callers)
				for _, err := range failures {
					require.ErrorIs(t, err, kurrent.ErrUnavailable)
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				// At most one attempt to connect is in progress, even after its callers
				// have given up.
				require.Less(t, runtime.NumGoroutine(), before+20)
			}
		})
	}
}

func TestCall_Timeout(t *testing.T) {
	t.Parallel()
	client, err := kurrent.Open(kurrent.Config{URL: kurrentsimtest.URL(silentAddress(t)), AllowPlaintext: true, CallTimeout: 300 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() { require.ErrorIs(t, client.Ping(t.Context()), kurrent.ErrUnavailable) })
}

// keepCalling makes calls without a pause until the returned function is called. They read:
// while an append's connection fails, the official client reads trailers that gRPC may still
// write, which the race detector reports.
func keepCalling(ctx context.Context, client *kurrent.Client) (slowest func() time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	var longest atomic.Int64
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				call, end := context.WithTimeout(ctx, 200*time.Millisecond)
				began := time.Now()
				_ = client.Ping(call)
				end()
				for took, known := int64(time.Since(began)), longest.Load(); took > known; known = longest.Load() {
					longest.CompareAndSwap(known, took)
				}
			}
		})
	}
	return func() time.Duration {
		cancel()
		group.Wait()
		return time.Duration(longest.Load())
	}
}

func TestPool_ServerReturns(t *testing.T) {
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	slowest := keepCalling(t.Context(), client)
	for range 3 {
		awaitPing(t, client)
		server.Stop()
		for range 10 { // 200 ms each, once the connections are gone: longer than the official client survives
			require.Eventually(t, func() bool { return isUnavailable(pingBriefly(t, client)) }, kurrentsimtest.WaitLimit, time.Millisecond)
		}
		server.Start()
		back := time.Now()
		awaitPing(t, client)
		t.Logf("found again after %s", time.Since(back))
	}
	took := slowest()
	t.Logf("slowest call: %s", took)
	require.Less(t, took, kurrentsimtest.Promptly)
}

func pingBriefly(t *testing.T, client *kurrent.Client) error {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	return client.Ping(ctx)
}

// awaitPing waits for a successful call. Each attempt has the time that a busy machine
// needs.
func awaitPing(t *testing.T, client *kurrent.Client) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		ctx, cancel := context.WithTimeout(t.Context(), kurrentsimtest.Promptly)
		defer cancel()
		require.NoError(c, client.Ping(ctx))
	}, kurrentsimtest.WaitLimit, time.Millisecond)
}

// awaitGoroutines waits until there are at most limit goroutines.
func awaitGoroutines(t *testing.T, limit int) {
	t.Helper()
	count := 0
	require.Eventually(t, func() bool {
		count = runtime.NumGoroutine()
		return count <= limit
	}, kurrentsimtest.WaitLimit, 20*time.Millisecond, "goroutines stay above %d", limit)
	t.Logf("goroutines: %d", count)
}

func TestPool_RestartsLeakNothing(t *testing.T) {
	base := runtime.NumGoroutine()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	for range 30 {
		slowest := keepCalling(t.Context(), client)
		awaitPing(t, client)
		server.Stop() // while all of them call
		slowest()
		server.Start()
	}
	awaitPing(t, client)
	t.Logf("goroutines: %d before, %d after the last restart", base, runtime.NumGoroutine())
	client.Close()
	server.Stop()
	awaitGoroutines(t, base+2) // waiting itself uses some
}

func TestReadStream_FrozenServer(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	p := startProxy(t, server.Addr())
	direct, client := kurrentsimtest.OpenClient(t, server.URL()), kurrentsimtest.OpenClient(t, kurrentsimtest.URL(p.Addr()))
	for range 5 {
		events := make([]kurrent.NewEvent, 200)
		for i := range events {
			events[i] = kurrentsimtest.Event("tested", `{"padding":"`+strings.Repeat("x", 2<<10)+`"}`) // more than is in flight at a time
		}
		_, err := direct.Append(t.Context(), "frozen-1", kurrent.Any(), events...)
		require.NoError(t, err)
	}
	visited := 0
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var frozen time.Time
	err := client.ReadStream(ctx, "frozen-1", 0, 0, func(kurrent.Event) error {
		if visited++; visited == 1 {
			p.Stall()
			frozen = time.Now()
			time.AfterFunc(500*time.Millisecond, cancel)
		}
		return nil
	})
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.Less(t, time.Since(frozen), kurrentsimtest.Promptly)
	require.Less(t, visited, 1000, "an interrupted read does not return the whole stream")
	p.Resume()
	awaitPing(t, client)
}

func TestClose_CallInProgress(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.URL(silentAddress(t)))
	ended := make(chan error, 1)
	go func() { ended <- client.Ping(t.Context()) }()
	client.Close()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, kurrent.ErrClosed)
	case <-time.After(kurrentsimtest.Promptly):
		require.Fail(t, "the call goes on")
	}
	require.ErrorIs(t, client.Ping(t.Context()), kurrent.ErrClosed)
}
