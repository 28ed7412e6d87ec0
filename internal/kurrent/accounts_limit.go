package kurrent

import (
	"context"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Open opens a customer's account with a limit, and reports whether it was new. It
// returns credit.ErrAlreadyOpened if the account was opened with another limit. Other
// errors are those of Reserve.
func (a *CreditAccounts) Open(ctx context.Context, customerID string, limit order.Money) (opened bool, err error) {
	return a.limit(ctx, customerID, "open", func(account *credit.Account) ([]credit.Event, error) {
		return account.Open(limit)
	})
}

// ChangeLimit sets another limit on an opened account, and reports whether the limit
// changed. Open reservations are kept. It returns credit.ErrNotOpened or
// credit.ErrOtherCurrency. Other errors are those of Reserve.
func (a *CreditAccounts) ChangeLimit(ctx context.Context, customerID string, limit order.Money) (changed bool, err error) {
	return a.limit(ctx, customerID, "change-limit", func(account *credit.Account) ([]credit.Event, error) {
		return account.ChangeLimit(limit)
	})
}

// limit runs a command that concerns no order. A limit that is set again later is the
// same event at another revision. That is fine: an append at an exact revision compares
// ids only at that revision.
func (a *CreditAccounts) limit(
	ctx context.Context, customerID, step string, command func(*credit.Account) ([]credit.Event, error),
) (bool, error) {
	written := false
	request := credit.Request{CustomerID: customerID, Source: order.Source{CorrelationID: customerID}}
	_, err := a.decide(ctx, request, step, func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		events, err := command(account)
		written = len(events) > 0
		return credit.Decision{}, events, err
	})
	return written && err == nil, err
}
