// Package activities owns the steps of an order that touch the world: one method per activity on Activities. It declares
// the interfaces it needs, keeps personal data out of what it returns, and is the one place where domain errors become
// retryable or not. It leaves deciding what comes next to package workflows, and every protocol to the drivers in internal.
package activities

import (
	"context"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Activities holds the collaborators of every activity. Register one per worker; its methods are safe for concurrent use.
type Activities struct {
	Credit       CreditAccounts
	Orders       PlacedOrders
	Fulfillments Fulfillments
	Published    PublishedFulfillments
	Emails       EmailLedger
	Mailer       Mailer
	Meter        EmailMeter

	HoldFor time.Duration // how long an order over its limit may wait for an operator; 0 refuses it at once
}

// CreditAccounts keeps the event-sourced credit accounts. The real one is kurrent.CreditAccounts.
type CreditAccounts interface {
	Reserve(ctx context.Context, r credit.Request) (credit.Decision, error)
	Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error)
	Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error)
}

// PlacedOrders reads orders' streams, whose bodies stay in the event store. The real one is kurrent.Client.
// Body and Payments return order.ErrGone when there is nothing left to read. Payments returns the order of a payment's
// stream and its payments, that one last. FirstCancellation reports whether there is a request to cancel behind the
// revision that the order was placed at.
type PlacedOrders interface {
	Body(ctx context.Context, source order.Source) (order.Placed, error)
	Payments(ctx context.Context, payment order.Source) (order.Placed, []order.Paid, error)
	FirstCancellation(ctx context.Context, stream string, placed uint64) (request order.Cancellation, found bool, err error)
}

// Fulfillments stores what is written about an order's fulfilment. The real one is postgres.Store.
type Fulfillments interface {
	StartFulfillment(ctx context.Context, s fulfillment.Start) (fulfillment.Row, error)
	CloseFulfillment(ctx context.Context, c fulfillment.Close) (fulfillment.Row, error)
	RestoreFulfillment(ctx context.Context, r fulfillment.Restore) (fulfillment.Row, error)
}

// PublishedFulfillments reads what was published about orders: a row that is lost or falls behind it was lost by its
// database. The real one is kurrent.Client.
type PublishedFulfillments interface {
	PublishedVersions(ctx context.Context, orderID string) ([]fulfillment.Version, error)
}

// EmailLedger remembers each mail's sends, so that a repeated attempt is not a second mail. The real one is postgres.Store.
type EmailLedger interface {
	ClaimEmail(ctx context.Context, orderID string, kind email.Kind) (email.Claim, error)
	SettleEmail(ctx context.Context, outcome email.Outcome) (email.Status, error)
}

// Mailer sends one letter and answers the provider's message id, or an *email.SendError that says what is known.
// The real one is ses.Mailer.
type Mailer interface {
	Send(ctx context.Context, letter email.Letter) (messageID string, err error)
}

// EmailMeter counts settled mails. The real one is a Prometheus counter in the worker.
type EmailMeter interface {
	EmailSettled(kind email.Kind, status email.Status)
}
