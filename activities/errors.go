package activities

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.temporal.io/sdk/temporal"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Types of the errors that end a step permanently. The workflow uses them as the order's
// reason.
const (
	TypeOrderGone         = string(order.ReasonOrderGone)
	TypeFulfillmentFailed = string(order.ReasonFulfillmentFailed)
	TypePaymentRefused    = "PAYMENT_REFUSED" // a payment that does not count

	// TypeMismatch: the stored order has another customer or total than the workflow's
	// order.
	TypeMismatch = "ORDER_MISMATCH"
)

// TypeBlocked is the type of the errors that no retry clears until an operator has
// changed something: a setting, a grant, a stream that cannot be read. They are retryable
// all the same, so that the step proceeds once the cause is cleared. The workflow does
// not retry them in the first round, so that they are shown at once.
const TypeBlocked = "BLOCKED"

// Types of the errors that are retried, for the Web UI.
const (
	typeUnavailable = "UNAVAILABLE"
	typeBusy        = "CREDIT_BUSY"
	typeNotSent     = "MAIL_NOT_SENT"
	typeLeased      = "MAIL_LEASED"
)

// classifyError is the one place where an error becomes retryable or not. An error that
// can never clear is not retried. An error that an operator has to clear is blocked. A
// busy account is tried again soon. Every other error is an outage that ends some day,
// and is retried with a backoff.
func classifyError(ctx context.Context, err error) error {
	switch {
	case errors.Is(err, order.ErrGone):
		return permanent(TypeOrderGone, err)
	case errors.Is(err, fulfillment.ErrMismatch):
		return permanent(TypeMismatch, err)
	case isPermanent(err):
		return permanent(TypeFulfillmentFailed, err)
	case isBlocked(err):
		return retryable(ctx, TypeBlocked, err)
	case errors.Is(err, credit.ErrBusy):
		return retryAfter(typeBusy, err, nextDelay(ctx, busyBackoff))
	default:
		return retryable(ctx, typeUnavailable, err)
	}
}

func retryable(ctx context.Context, errType string, err error) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), errType,
		temporal.ApplicationErrorOptions{NextRetryDelay: nextDelay(ctx, storeBackoff)})
}

// blocker is a driver's error that an operator may have to clear, such as a missing
// grant. Both drivers have one.
type blocker interface {
	error
	Blocked() bool
}

// isBlocked reports whether an operator has to clear err. That includes an account whose
// history cannot be read: its orders proceed once the account is repaired.
func isBlocked(err error) bool {
	var driver blocker
	if errors.As(err, &driver) && driver.Blocked() {
		return true
	}
	return slices.ContainsFunc([]error{credit.ErrNoLimit, credit.ErrUnknownEvent, credit.ErrHistory},
		func(target error) bool { return errors.Is(err, target) })
}

// isPermanent reports whether err is caused by the order or its account, and not by the
// state of a store.
func isPermanent(err error) bool {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return true
	}
	return slices.ContainsFunc([]error{
		fulfillment.ErrInvalid,
		credit.ErrInvalidAmount, order.ErrInvalidID, credit.ErrNotHeld, credit.ErrOtherAmount,
		credit.ErrTooMuch, credit.ErrNoReason,
	}, func(target error) bool { return errors.Is(err, target) })
}

func permanent(errType string, err error) error {
	return temporal.NewNonRetryableApplicationError(err.Error(), errType, nil)
}

// retryAfter returns an error that asks for another attempt after the given delay. It is
// not a fault, so it stays out of the failure metrics.
func retryAfter(errType string, err error, delay time.Duration) error {
	return temporal.NewApplicationErrorWithOptions(err.Error(), errType, temporal.ApplicationErrorOptions{
		NextRetryDelay: delay, Category: temporal.ApplicationErrorCategoryBenign,
	})
}

// notSent returns an error with the provider's code but not its text, which may quote an
// address.
func notSent(ctx context.Context, kind email.Kind, err *email.SendError) error {
	delay := max(err.RetryAfter, nextDelay(ctx, emailBackoff))
	return temporal.NewApplicationErrorWithOptions(fmt.Sprintf("send %s email: %s", kind, err.Code), typeNotSent,
		temporal.ApplicationErrorOptions{NextRetryDelay: delay})
}
