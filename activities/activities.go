// Package activities implements the activities of an order: one method of Activities per
// activity, for every effect outside the workflow. The package declares the interfaces it
// needs and keeps personal data out of what it returns. It is the one place where domain
// errors become retryable or not. Package workflows decides what comes next, and the
// drivers in internal speak the protocols.
package activities

import (
	"context"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Activities holds the dependencies of every activity. Register one per worker. Its
// methods are safe for concurrent use.
type Activities struct {
	Credit       CreditAccounts
	Reviews      CreditReviews
	Orders       PlacedOrders
	Fulfillments Fulfillments
	Published    PublishedFulfillments
	Emails       EmailLedger
	Mailer       Mailer
	Meter        EmailMeter
	Checks       []StoreCheck // what a deployment has to pass

	HoldFor time.Duration // how long an order over its credit limit waits for an operator; 0 refuses it at once
	ShipBy  time.Duration // how long after the start of its fulfillment an order should have shipped; 0 for any time
}

// CreditAccounts stores the event-sourced credit accounts. streams.CreditAccounts
// implements it.
type CreditAccounts interface {
	Reserve(ctx context.Context, r credit.Request) (credit.Decision, error)
	Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error)
	Restore(ctx context.Context, r credit.Request, by string) (credit.Decision, error)
	Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error)
}

// CreditReviews reviews the orders on hold of a customer. streams.CreditAccounts implements
// it.
type CreditReviews interface {
	Review(ctx context.Context, r credit.ReviewRequest) (credit.Reviewed, error)
}

// PlacedOrders reads the streams of orders. Their bodies stay in the event store.
// streams.Orders implements it.
//
// Body and Payments return order.ErrGone if there is nothing left to read. Payments
// returns the order of a payment's stream and the order's payments, up to and including
// that one. FirstCancellation reports whether the stream has a request to cancel after
// the revision at which the order was placed.
type PlacedOrders interface {
	Body(ctx context.Context, source order.Source) (order.Placed, error)
	Payments(ctx context.Context, payment order.Source) (order.Placed, []order.Paid, error)
	FirstCancellation(ctx context.Context, stream string, placed uint64) (request order.Cancellation, found bool, err error)
}

// Fulfillments stores the fulfillments of orders. postgres.Fulfillments implements it.
type Fulfillments interface {
	StartFulfillment(ctx context.Context, s fulfillment.Start) (fulfillment.Row, error)
	RecordParcel(ctx context.Context, p fulfillment.ParcelLeft) (fulfillment.Row, error)
	CloseFulfillment(ctx context.Context, c fulfillment.Close) (fulfillment.Row, error)
	RestoreFulfillment(ctx context.Context, r fulfillment.Restore) (fulfillment.Row, error)
}

// PublishedFulfillments reads the published versions of fulfillments. If a row is
// missing, or is behind its published versions, the database has lost it.
// streams.Fulfillments implements it.
type PublishedFulfillments interface {
	PublishedVersions(ctx context.Context, orderID string) ([]fulfillment.Version, error)
}

// EmailLedger records the send attempts of each email, so that a repeated attempt does
// not send it twice. postgres.EmailLedger implements it.
type EmailLedger interface {
	ClaimEmail(ctx context.Context, orderID string, kind email.Kind) (email.Claim, error)
	SettleEmail(ctx context.Context, outcome email.Outcome) (email.Status, error)
}

// Mailer sends one letter and returns the provider's message id, or an *email.SendError
// with what is known about the outcome. ses.Mailer implements it.
type Mailer interface {
	Send(ctx context.Context, letter email.Letter) (messageID string, err error)
}

// EmailMeter counts settled emails. The worker implements it with a Prometheus counter.
type EmailMeter interface {
	EmailSettled(kind email.Kind, status email.Status)
}
