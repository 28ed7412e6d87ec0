package backoff_test

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/backoff"
)

func TestExponential_Delay(t *testing.T) {
	t.Parallel()
	e := backoff.Exponential{Min: 100 * time.Millisecond, Max: time.Second}
	for _, test := range []struct {
		failures int
		longest  time.Duration
	}{
		{0, 100 * time.Millisecond}, {1, 200 * time.Millisecond}, {3, 800 * time.Millisecond}, {4, time.Second}, {math.MaxInt, time.Second},
	} {
		for range 1000 {
			delay := e.Delay(test.failures)
			require.LessOrEqual(t, delay, test.longest)
			require.GreaterOrEqual(t, delay, test.longest/2)
		}
	}
}

func TestExponential_Wait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		e := backoff.Exponential{Min: time.Minute, Max: time.Hour}
		began := time.Now()
		require.NoError(t, e.Wait(t.Context(), 1))
		require.GreaterOrEqual(t, time.Since(began), time.Minute)
		require.LessOrEqual(t, time.Since(began), 2*time.Minute)
	})
}

func TestJitter(t *testing.T) {
	t.Parallel()
	delays := map[time.Duration]bool{}
	for range 100 {
		delays[backoff.Jitter(time.Hour)] = true
	}
	require.Greater(t, len(delays), 1)
	require.Zero(t, backoff.Jitter(0))
}

func TestSleep(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.NoError(t, backoff.Sleep(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(began))
	})
	t.Run("returns the context's error if that ends first", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.ErrorIs(t, backoff.Sleep(ctx, time.Hour), context.Canceled)
	})
}
