package kurrent

import (
	"context"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Open begins a customer's account with a limit, and tells whether it was not opened before. It is
// credit.ErrAlreadyOpened when it was, with another limit; other errors as Reserve.
func (a *CreditAccounts) Open(ctx context.Context, customerID string, limit order.Money) (opened bool, err error) {
	return a.limit(ctx, customerID, "open", func(account *credit.Account) ([]credit.Event, error) {
		return account.Open(limit)
	})
}

// ChangeLimit sets another limit on an opened account, and tells whether it was another one. Open reservations stand. It
// is credit.ErrNotOpened or credit.ErrOtherCurrency; other errors as Reserve.
func (a *CreditAccounts) ChangeLimit(ctx context.Context, customerID string, limit order.Money) (changed bool, err error) {
	return a.limit(ctx, customerID, "change-limit", func(account *credit.Account) ([]credit.Event, error) {
		return account.ChangeLimit(limit)
	})
}

// limit runs a command that is about no order. A limit that comes again later is the same event at another revision, which
// is fine: an append at an exact revision compares ids at that revision alone.
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
