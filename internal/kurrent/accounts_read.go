package kurrent

import (
	"context"
	"fmt"
	"strings"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Decision reads what stands for an order on its customer's account, and whether anything does. It writes nothing. Errors
// as Reserve's first three kinds.
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

// CustomerOf tells whose credit account a stream is. It is false for a stream that is no account.
func CustomerOf(stream string) (customerID string, ok bool) {
	customerID, ok = strings.CutPrefix(stream, streamOf(""))
	return customerID, ok && order.ValidIdentifier(customerID)
}
