package kurrent

import (
	"context"
	"fmt"
	"strings"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Decision returns what the customer's account decided about an order, and reports
// whether it decided anything. It writes nothing. Errors are those of the first three
// kinds of Reserve.
func (a *CreditAccounts) Decision(ctx context.Context, customerID, orderID string) (credit.Decision, bool, error) {
	if !order.ValidIdentifier(customerID) {
		return credit.Decision{}, false, fmt.Errorf("%w: customer id", ErrInvalid)
	}
	unlock, err := a.locks.lock(ctx, customerID)
	if err != nil {
		return credit.Decision{}, false, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	defer unlock()
	account, err := a.load(ctx, customerID)
	if err != nil {
		return credit.Decision{}, false, err
	}
	decision, decided := account.Decision(orderID)
	return decision, decided, nil
}

// CustomerOf returns the customer whose credit account a stream is. It reports false for
// any other stream.
func CustomerOf(stream string) (customerID string, ok bool) {
	customerID, ok = strings.CutPrefix(stream, streamOf(""))
	return customerID, ok && order.ValidIdentifier(customerID)
}
