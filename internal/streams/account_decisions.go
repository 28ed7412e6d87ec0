package streams

import (
	"context"
	"maps"

	"orderflow/internal/credit"
)

// Decisions returns what the customer's account decided, by order. It has every order of
// the customer that was ever processed, because the account decides about each and
// forgets none. It writes nothing. Errors are those of Decision.
func (a *CreditAccounts) Decisions(ctx context.Context, customerID string) (map[string]credit.Decision, error) {
	var found map[string]credit.Decision // not read if the caller leaves before the command has returned
	_, err := a.decide(ctx, credit.Request{CustomerID: customerID}, "read", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		found = maps.Collect(account.Decisions())
		return credit.Decision{}, nil, nil
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}
