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

	"orderflow/internal/kurrent"
)

// callers is how many calls meet an outage at once: more than there are connections.
const callers = 50

// callAtOnce makes calls with a short context each, and gives the slowest one's time and their errors.
func callAtOnce(ctx context.Context, client *kurrent.Client, timeout time.Duration) (slowest time.Duration, failures []error) {
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

func TestCallsEndWithTheirContextWhenTheServer(t *testing.T) {
	for name, address := range map[string]func(*testing.T) string{
		"refuses connections":             refusing,
		"takes connections and is silent": silent,
	} {
		t.Run(name, func(t *testing.T) {
			client := open(t, urlOf(address(t)))
			before := runtime.NumGoroutine()
			for range 5 {
				slowest, failures := callAtOnce(t.Context(), client, 200*time.Millisecond)
				t.Logf("slowest of %d calls: %s, goroutines %d -> %d", callers, slowest, before, runtime.NumGoroutine())
				require.Less(t, slowest, soon)
				require.Len(t, failures, callers)
				for _, err := range failures {
					require.ErrorIs(t, err, kurrent.ErrUnavailable)
					require.ErrorIs(t, err, context.DeadlineExceeded)
				}
				// One attempt to connect is under way at most, whoever gave up on it.
				require.Less(t, runtime.NumGoroutine(), before+20)
			}
		})
	}
}

func TestACallWithoutADeadlineEndsWithTheCallTimeout(t *testing.T) {
	t.Parallel()
	client, err := kurrent.Open(kurrent.Config{URL: urlOf(silent(t)), AllowPlaintext: true, CallTimeout: 300 * time.Millisecond})
	require.NoError(t, err)
	t.Cleanup(client.Close)
	within(t, soon, func() { require.ErrorIs(t, client.Ping(t.Context()), kurrent.ErrUnavailable) })
}

// keepCalling makes calls without a pause until the returned function has been called.
func keepCalling(ctx context.Context, client *kurrent.Client) (slowest func() time.Duration) {
	ctx, cancel := context.WithCancel(ctx)
	var longest atomic.Int64
	var group sync.WaitGroup
	for range callers {
		group.Go(func() {
			for ctx.Err() == nil {
				call, end := context.WithTimeout(ctx, 200*time.Millisecond)
				began := time.Now()
				_ = appendOne(call, client, "outage-1")
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

func TestAServerThatIsBackIsFoundWhileManyCall(t *testing.T) {
	server := sim(t)
	client := open(t, server.url())
	slowest := keepCalling(t.Context(), client)
	for range 3 {
		awaitAnswer(t, client)
		server.stop()
		for range 10 { // 200 ms each, once the connections are gone: longer than the bare client survives
			require.Eventually(t, func() bool { return isUnavailable(short(t, client)) }, patience, time.Millisecond)
		}
		server.start()
		back := time.Now()
		awaitAnswer(t, client)
		t.Logf("found again after %s", time.Since(back))
	}
	took := slowest()
	t.Logf("slowest call: %s", took)
	require.Less(t, took, soon)
}

func short(t *testing.T, client *kurrent.Client) error {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	return client.Ping(ctx)
}

// awaitAnswer waits for a call that gets through, each with the time that a busy machine needs.
func awaitAnswer(t *testing.T, client *kurrent.Client) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		ctx, cancel := context.WithTimeout(t.Context(), soon)
		defer cancel()
		require.NoError(c, client.Ping(ctx))
	}, patience, time.Millisecond)
}

// requireGoroutines waits for the number of goroutines to come down.
func requireGoroutines(t *testing.T, limit int) {
	t.Helper()
	count := 0
	require.Eventually(t, func() bool {
		count = runtime.NumGoroutine()
		return count <= limit
	}, patience, 20*time.Millisecond, "goroutines stay above %d", limit)
	t.Logf("goroutines: %d", count)
}

func TestThirtyRestartsLeaveNothingBehind(t *testing.T) {
	base := runtime.NumGoroutine()
	server := sim(t)
	client := open(t, server.url())
	for range 30 {
		slowest := keepCalling(t.Context(), client)
		awaitAnswer(t, client)
		server.stop() // while all of them call
		slowest()
		server.start()
	}
	awaitAnswer(t, client)
	t.Logf("goroutines: %d before, %d after the last restart", base, runtime.NumGoroutine())
	client.Close()
	server.stop()
	requireGoroutines(t, base+2) // the waiting itself takes some
}

func TestAReadFromAServerThatFreezesEndsWithItsContext(t *testing.T) {
	t.Parallel()
	server := sim(t)
	between := startProxy(t, server.addr())
	direct, client := open(t, server.url()), open(t, between.url())
	for range 5 {
		events := make([]kurrent.NewEvent, 200)
		for i := range events {
			events[i] = event("tested", `{"padding":"`+strings.Repeat("x", 2<<10)+`"}`) // more than what is on its way at a time
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
			between.freeze()
			frozen = time.Now()
			time.AfterFunc(500*time.Millisecond, cancel)
		}
		return nil
	})
	require.ErrorIs(t, err, kurrent.ErrUnavailable)
	require.Less(t, time.Since(frozen), soon)
	require.Less(t, visited, 1000, "a read that is cut off is not the whole stream")
	between.thaw()
	awaitAnswer(t, client)
}

func TestClosingEndsWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	client := open(t, urlOf(silent(t)))
	ended := make(chan error, 1)
	go func() { ended <- client.Ping(t.Context()) }()
	client.Close()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, kurrent.ErrClosed)
	case <-time.After(soon):
		require.Fail(t, "the call goes on")
	}
	require.ErrorIs(t, client.Ping(t.Context()), kurrent.ErrClosed)
}
