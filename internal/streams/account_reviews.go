package streams

import (
	"context"
	"fmt"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// Review reserves for the orders on hold that fit, because the event of the request freed
// credit. Errors are those of Reserve, and kurrent.ErrUnavailable if the account was read
// from a node that does not have that event yet.
func (a *CreditAccounts) Review(ctx context.Context, r credit.ReviewRequest) (credit.Reviewed, error) {
	var reviewed credit.Reviewed
	request := credit.Request{CustomerID: r.CustomerID, Source: r.Source}
	// The account decides in turn, so the last call decided what was written.
	_, err := a.decide(ctx, request, "review", func(account *credit.Account) (_ credit.Decision, events []credit.Event, err error) {
		if err := requireEvent(account, r.Source.Revision); err != nil {
			return credit.Decision{}, nil, err
		}
		reviewed, events, err = account.Review(r.Source.EventID, r.Now)
		return credit.Decision{}, events, err
	})
	if err != nil {
		return credit.Reviewed{}, err
	}
	return reviewed, nil
}

// ReviewDue reports whether a review would reserve for an order of the customer, now that
// the account has its event at a revision. It writes nothing. Errors are those of Review.
func (a *CreditAccounts) ReviewDue(ctx context.Context, customerID string, revision uint64, now time.Time) (due bool, err error) {
	_, err = a.decide(ctx, credit.Request{CustomerID: customerID}, "read", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		due = account.ReviewDue(now)
		return credit.Decision{}, nil, requireEvent(account, revision)
	})
	return due && err == nil, err
}

func requireEvent(account *credit.Account, revision uint64) error {
	if account.Events() <= revision {
		return fmt.Errorf("%w: %s was read without its event %d", kurrent.ErrUnavailable, credit.Stream(account.CustomerID()), revision)
	}
	return nil
}
