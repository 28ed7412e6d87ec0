package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/failpoint"
	"orderflow/internal/order"
)

// ReserveCreditInput is the input of ReserveCredit. If ApprovedBy is set, an operator
// overrides the credit limit for a held order.
type ReserveCreditInput struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	Amount     order.Money  `json:"amount"`
	Source     order.Source `json:"source"`
	ApprovedBy string       `json:"approvedBy,omitempty"`
}

// CreditDecision is the account's permanent decision about an order.
type CreditDecision struct {
	Verdict     credit.Verdict `json:"verdict"`
	Reason      string         `json:"reason,omitempty"`
	Amount      order.Money    `json:"amount"`
	HoldUntil   time.Time      `json:"holdUntil,omitzero"`    // when the hold of a held order ends
	HoldSeconds int64          `json:"holdSeconds,omitempty"` // the time left until then; the only field set for a hold recorded without its end
}

// ReserveCredit reserves the order's amount on its customer's account, or returns the
// decision made before. A refusal is a result, not an error.
func (a *Activities) ReserveCredit(ctx context.Context, in ReserveCreditInput) (CreditDecision, error) {
	request := credit.Request{CustomerID: in.CustomerID, OrderID: in.OrderID, Amount: in.Amount, Source: in.Source}
	if a.HoldFor > 0 {
		request.HoldUntil = time.Now().Add(a.HoldFor).UTC().Truncate(time.Millisecond)
	}
	failpoint.Hit("worker.reserve.before")
	decision, err := a.reserve(ctx, request, in.ApprovedBy)
	if err != nil {
		return CreditDecision{}, classifyError(ctx, fmt.Errorf("reserve credit: %w", err))
	}
	failpoint.Hit("worker.reserve.after")
	return a.decided(decision), nil
}

// reserve reserves an order by the rule, or outside it if it is approved. An approved order
// was held once. If the account does not know it, its stream was restored from a backup.
func (a *Activities) reserve(ctx context.Context, request credit.Request, approvedBy string) (credit.Decision, error) {
	if approvedBy == "" {
		return a.Credit.Reserve(ctx, request)
	}
	decision, err := a.Credit.Approve(ctx, request, approvedBy)
	if !errors.Is(err, credit.ErrNotHeld) {
		return decision, err
	}
	if request.HoldUntil.IsZero() {
		request.HoldUntil = time.Now().UTC().Truncate(time.Millisecond)
	}
	return a.Credit.Restore(ctx, request, approvedBy)
}

func (a *Activities) decided(d credit.Decision) CreditDecision {
	out := CreditDecision{Verdict: d.Verdict, Reason: d.Reason, Amount: d.Amount}
	switch {
	case d.Verdict != credit.VerdictHeld:
	case !d.HoldUntil.IsZero():
		out.HoldUntil = d.HoldUntil
		// For a workflow worker of an earlier version, which does not know HoldUntil.
		out.HoldSeconds = max(1, int64(time.Until(d.HoldUntil).Seconds()))
	default:
		out.HoldSeconds = int64(a.HoldFor.Seconds())
	}
	return out
}

// ReleaseCreditInput is the input of ReleaseCredit. Reason is a code.
type ReleaseCreditInput struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	Amount     order.Money  `json:"amount"` // the order's total, for its currency
	Source     order.Source `json:"source"`
	Reason     string       `json:"reason"`
	DeclinedBy string       `json:"declinedBy,omitempty"` // the operator who declined it
	HeldOnly   bool         `json:"heldOnly,omitempty"`   // keep a reservation: the order may have gone on with it
}

// ReleaseCredit releases what the order reserved and closes the order in the account
// permanently. It does so even if nothing was reserved, so that a late reservation finds
// the order closed. With HeldOnly it changes nothing about an order that is reserved, and
// returns that decision.
func (a *Activities) ReleaseCredit(ctx context.Context, in ReleaseCreditInput) (CreditDecision, error) {
	request := credit.Request{CustomerID: in.CustomerID, OrderID: in.OrderID, Amount: in.Amount, Source: in.Source}
	failpoint.Hit("worker.release.before")
	decision, err := a.Credit.Release(ctx, request, credit.Cause{Reason: in.Reason, DeclinedBy: in.DeclinedBy, HeldOnly: in.HeldOnly})
	if err != nil {
		return CreditDecision{}, classifyError(ctx, fmt.Errorf("release credit: %w", err))
	}
	failpoint.Hit("worker.release.after")
	return a.decided(decision), nil
}

// FindCancellationInput is the id of an order and the revision of the event it was placed
// with.
type FindCancellationInput struct {
	OrderID string `json:"orderId"`
	Placed  uint64 `json:"placed"`
}

// RequestedCancellation reports whether an order's stream has a request to cancel. Reason
// is the producer's code.
type RequestedCancellation struct {
	Requested bool   `json:"requested"`
	Reason    string `json:"reason,omitempty"`
}

// FindCancellation looks for a request to cancel on the order's stream, after the event
// it was placed with: a request made while the workflow accepted no signals has not
// reached it any other way. A request from before that event is ignored, because it may
// have been withdrawn.
func (a *Activities) FindCancellation(ctx context.Context, in FindCancellationInput) (RequestedCancellation, error) {
	request, found, err := a.Orders.FirstCancellation(ctx, order.Stream(in.OrderID), in.Placed)
	if err != nil {
		return RequestedCancellation{}, classifyError(ctx, fmt.Errorf("look for a cancellation: %w", err))
	}
	return RequestedCancellation{Requested: found, Reason: request.Reason}, nil
}
