package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/backoff"
)

// This is where the delay before another attempt is set, for each kind of attempt.
//
// A failed attempt asks the server for its delay (NextRetryDelay), because Temporal's own
// retry interval has no jitter. Such a delay takes precedence over the retry policy that
// the workflow scheduled the activity with. The policy therefore applies only to attempts
// that returned no error because their worker died. It is made of the same numbers. A
// change takes effect at the next failure, for open orders too.
//
// Three delays are not counted in attempts, and are set elsewhere:
//
//   - what SES's error asks for at least: retryAfter of internal/ses;
//   - an email that another attempt is sending: the rest of that attempt's lease;
//   - an email with an unknown outcome: EMAIL_UNKNOWN_GRACE, a timer of the workflow.
var (
	// storeBackoff is the backoff of a step that calls a store.
	storeBackoff = backoff.Exponential{Min: time.Second, Max: 5 * time.Minute}

	// busyBackoff is the backoff of a step whose account has too many requests at once, or
	// other writers that were faster. Nothing is down, and the attempt that waits for its
	// delay holds no slot.
	busyBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 800 * time.Millisecond}

	// emailBackoff is the backoff of an email that was certainly not sent.
	emailBackoff = backoff.Exponential{Min: time.Second, Max: 5 * time.Minute}
)

// BusyDelay returns the delay of a step whose account was busy, after so many earlier
// attempts: 0 for the first one.
func BusyDelay(failures int) time.Duration { return busyBackoff.Delay(failures) }

// StoreRetryPolicy returns the retry policy of the activities that call a store. It has
// no limit: the order waits until a store that is down recovers.
func StoreRetryPolicy() *temporal.RetryPolicy { return retryPolicy(storeBackoff) }

// EmailRetryPolicy returns the retry policy of SendEmail. It has no limit.
func EmailRetryPolicy() *temporal.RetryPolicy { return retryPolicy(emailBackoff) }

func retryPolicy(e backoff.Exponential) *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: e.Min, BackoffCoefficient: 2, MaximumInterval: e.Max}
}

// nextDelay returns the delay after this attempt.
func nextDelay(ctx context.Context, e backoff.Exponential) time.Duration {
	return e.Delay(int(activity.GetInfo(ctx).Attempt) - 1)
}
