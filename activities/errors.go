package activities

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Types of the errors that end a step for good. The workflow reads them as the order's reason.
const (
	TypeOrderGone         = string(order.ReasonOrderGone)
	TypeFulfillmentFailed = string(order.ReasonFulfillmentFailed)
	TypePaymentRefused    = "PAYMENT_REFUSED" // a payment that does not count

	// TypeMismatch: what is stored about the order was written from another customer or total than the workflow knows.
	TypeMismatch = "ORDER_MISMATCH"
)

// TypeBlocked is the type of the errors that no retry clears until an operator has changed something: a setting, a grant, a
// stream that cannot be read. They are retryable all the same, so that the step proceeds once it is cleared. The workflow
// does not retry them in the first round, and shows them at once.
const TypeBlocked = "BLOCKED"

// Types of the errors that are tried again, for the Web UI.
const (
	typeUnavailable = "UNAVAILABLE"
	typeNotSent     = "MAIL_NOT_SENT"
	typeLeased      = "MAIL_LEASED"
)

// Between these two a step that failed waits before it is tried again, growing with each attempt.
const (
	firstRetry = time.Second
	lastRetry  = 5 * time.Minute
)

// failure is the one place where an error becomes retryable or not: what can never work never retries, what an operator
// has to clear is blocked, and all else is an outage that ends some day and backs off until then.
func failure(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, order.ErrGone):
		return permanent(TypeOrderGone, err)
	case errors.Is(err, fulfillment.ErrMismatch):
		return permanent(TypeMismatch, err)
	case hopeless(err):
		return permanent(TypeFulfillmentFailed, err)
	case blocked(err):
		return retryable(ctx, TypeBlocked, err)
	default:
		return retryable(ctx, typeUnavailable, err)
	}
}

func retryable(ctx context.Context, errType string, err error) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), errType,
		temporal.ApplicationErrorOptions{NextRetryDelay: backoff(ctx)})
}

// blocker is an error of a driver that may be an operator's to clear, such as a missing grant. Both drivers have one.
type blocker interface {
	error
	Blocked() bool
}

// blocked knows the errors that an operator has to clear. An account whose history cannot be read is among them: its
// orders are as good as before once it was repaired.
func blocked(err error) bool {
	var driver blocker
	if errors.As(err, &driver) && driver.Blocked() {
		return true
	}
	return slices.ContainsFunc([]error{credit.ErrNoLimit, credit.ErrUnknownEvent, credit.ErrHistory},
		func(target error) bool { return errors.Is(err, target) })
}

// hopeless knows the errors that say something about the order or its account, and not about the state of a store.
func hopeless(err error) bool {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return true
	}
	return slices.ContainsFunc([]error{
		fulfillment.ErrInvalid,
		credit.ErrInvalidAmount, credit.ErrInvalidOrderID, credit.ErrNotHeld, credit.ErrOtherAmount,
		credit.ErrTooMuch, credit.ErrNoReason,
	}, func(target error) bool { return errors.Is(err, target) })
}

func permanent(errType string, err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), errType, nil)
}

// later asks for another attempt at a known time. It is not a fault, so it stays out of the failure metrics.
func later(err error, in time.Duration) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), typeLeased, temporal.ApplicationErrorOptions{
		NextRetryDelay: in, Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// notSent carries the provider's code but not its text, which may quote an address.
func notSent(ctx context.Context, kind email.Kind, err *email.SendError) error {
	delay := max(err.RetryAfter, backoff(ctx))
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf("send %s mail: %s", kind, err.Code), typeNotSent,
		temporal.ApplicationErrorOptions{NextRetryDelay: delay})
}

// backoff doubles from firstRetry to lastRetry and takes a random part off, so that orders that failed together do not
// come back together. Temporal's own retry interval has no jitter.
func backoff(ctx context.Context) time.Duration {
	delay := lastRetry
	if attempt := activity.GetInfo(ctx).Attempt; attempt < 10 {
		delay = min(firstRetry<<max(attempt-1, 0), lastRetry)
	}
	return delay - time.Duration(rand.Int64N(int64(delay)/2))
}
