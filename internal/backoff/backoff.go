// Package backoff computes and waits out the delays between retries. It owns the growth
// and the jitter, for every loop of the product that waits and tries again. How long the
// delays are, what is retried and when to give up is left to the caller. Retries of
// activities are Temporal's: see activities/backoff.go for their delays.
package backoff

import (
	"context"
	"math/rand/v2"
	"time"
)

// Exponential is a delay that doubles from Min to Max with each failure in a row, less a
// random part.
type Exponential struct{ Min, Max time.Duration }

// Delay returns the delay after the given number of earlier failures in a row: 0 for the
// first one.
func (e Exponential) Delay(failures int) time.Duration {
	delay := e.Min
	for i := 0; i < failures && delay < e.Max; i++ {
		delay *= 2
	}
	return Jitter(min(delay, e.Max))
}

// Wait waits for Delay(failures). It returns ctx's error if ctx ends first.
func (e Exponential) Wait(ctx context.Context, failures int) error {
	return Sleep(ctx, e.Delay(failures))
}

// Jitter returns a random duration between half of d and d, so that what failed together
// is not retried together.
func Jitter(d time.Duration) time.Duration {
	return d - rand.N(d/2+1)
}

// Sleep waits for d. It returns ctx's error if ctx ends first.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
