package activities

import (
	"context"
	"fmt"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/failpoint"
	"orderflow/internal/order"
)

// ReviewCreditInput is a customer whose orders on hold are reviewed, and the event that
// freed credit on the customer's account.
type ReviewCreditInput struct {
	CustomerID string       `json:"customerId"`
	Source     order.Source `json:"source"`
}

// CreditReview is the result of a review: the orders that were on hold and whose credit is
// reserved because of its event. More means that further orders may fit.
type CreditReview struct {
	Orders []string `json:"orders,omitempty"`
	More   bool     `json:"more,omitempty"`
}

// ReviewCredit reserves credit for the customer's orders on hold that fit by now, the
// oldest first. A repeated review returns the same orders.
func (a *Activities) ReviewCredit(ctx context.Context, in ReviewCreditInput) (CreditReview, error) {
	failpoint.Hit("worker.review.before")
	reviewed, err := a.Reviews.Review(ctx, credit.ReviewRequest{CustomerID: in.CustomerID, Source: in.Source, Now: time.Now()})
	if err != nil {
		return CreditReview{}, classifyError(ctx, fmt.Errorf("review the orders on hold: %w", err))
	}
	failpoint.Hit("worker.review.after")
	return CreditReview(reviewed), nil
}
