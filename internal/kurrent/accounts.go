package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// ErrTruncated says that a credit stream does not begin with its first event, has a gap, or was deleted: what was decided
// before cannot be known, so nothing is decided on it. It wraps credit.ErrHistory.
var ErrTruncated = fmt.Errorf("credit stream is not whole: %w", credit.ErrHistory)

// ErrConflict says that others kept writing to the same account. Ask again a little later.
var ErrConflict = errors.New("credit account is busy")

// A decision that meets another writer is made again on what that one wrote, so many times, with a pause before each.
const (
	conflictTries = 6
	conflictPause = 10 * time.Millisecond // doubling
)

const defaultCacheSize = 1024

// CreditAccountsConfig says what accounts are kept in and on which terms they decide.
type CreditAccountsConfig struct {
	Client    *Client
	Terms     credit.Terms
	CacheSize int // folded accounts kept in memory; 0 is 1024
}

// CreditAccounts keeps each customer's credit account in the stream credit-<customerId>: it folds the events, lets the
// account decide, and appends the outcome at exactly the revision it was decided on. It is safe for concurrent use, also
// beside other processes on the same streams.
type CreditAccounts struct {
	client *Client
	terms  credit.Terms
	cache  *lru.Cache[string, *folded] // of a customer's account; touched only under the customer's lock
	locks  *keyedLock
}

// NewCreditAccounts makes an empty cache on the client.
func NewCreditAccounts(config CreditAccountsConfig) *CreditAccounts {
	size := config.CacheSize
	if size <= 0 {
		size = defaultCacheSize
	}
	cache, _ := lru.New[string, *folded](size) // it refuses only sizes that are not above zero
	return &CreditAccounts{client: config.Client, terms: config.Terms, cache: cache, locks: newKeyedLock()}
}

// Reserve decides about an order by the rule, or answers what was decided. Its errors wrap one of
//
//   - ErrUnavailable, ErrConflict or ErrAccessDenied: they pass, the last two with other writers and an operator's help.
//   - credit.ErrUnknownEvent: nothing can be decided here until a version that knows the event runs.
//   - credit.ErrHistory, by way of ErrTruncated, *credit.HistoryError or credit.ErrInvalidEvent: nothing can be decided
//     before somebody has mended the stream.
//   - what the account's own command errs with, such as credit.ErrInvalidAmount: the same request errs again.
//   - ErrInvalid for a customer id that is none, ErrInvalid and ErrTooLarge for an append the server will never take.
func (a *CreditAccounts) Reserve(ctx context.Context, r credit.Request) (credit.Decision, error) {
	return a.decide(ctx, r, "reserve", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		terms := a.terms
		terms.HoldUntil = r.HoldUntil
		return account.Reserve(r.OrderID, r.Amount, terms)
	})
}

// Approve reserves a held order outside the rule, because by allowed it, or answers what was decided. Errors as Reserve.
func (a *CreditAccounts) Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error) {
	return a.decide(ctx, r, "approve", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		return account.Approve(r.OrderID, r.Amount, by, a.terms)
	})
}

// Release closes an order for ever and gives back what is reserved for it. Of r.Amount only the currency counts. Errors
// as Reserve.
func (a *CreditAccounts) Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error) {
	return a.decide(ctx, r, "release", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		return account.Release(r.OrderID, r.Amount, cause)
	})
}

type command func(*credit.Account) (credit.Decision, []credit.Event, error)

// decide lets one writer of this process at a time at the customer's account: they would only conflict with each other.
func (a *CreditAccounts) decide(ctx context.Context, r credit.Request, step string, command command) (credit.Decision, error) {
	if !order.ValidIdentifier(r.CustomerID) { // event ids rely on there being no control characters
		return credit.Decision{}, fmt.Errorf("%w: customer id", ErrInvalid)
	}
	unlock, err := a.locks.lock(ctx, r.CustomerID)
	if err != nil {
		return credit.Decision{}, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	defer unlock()
	for try := range conflictTries {
		decision, err := a.attempt(ctx, r, step, command)
		if !errors.Is(err, ErrWrongRevision) {
			return decision, err
		}
		if !pauseFor(ctx, conflictPause<<try) {
			break
		}
	}
	return credit.Decision{}, fmt.Errorf("%w: %s", ErrConflict, streamOf(r.CustomerID))
}

// attempt folds what is new, decides, and appends.
func (a *CreditAccounts) attempt(ctx context.Context, r credit.Request, step string, command command) (credit.Decision, error) {
	account, err := a.load(ctx, r.CustomerID)
	if err != nil {
		return credit.Decision{}, err
	}
	decision, events, err := command(account.Account)
	if err != nil || len(events) == 0 {
		return decision, err
	}
	if err := a.append(ctx, account, r, step, events); err != nil {
		return credit.Decision{}, err
	}
	return decision, nil
}

// append writes events at the folded revision and takes them in. When it was not them that were written there, the account
// stands as it was folded, and what was written is read next time.
func (a *CreditAccounts) append(ctx context.Context, account *folded, r credit.Request, step string, events []credit.Event) error {
	proposed, err := proposedEvents(r, step, events)
	if err != nil {
		return err
	}
	stream, expected := streamOf(r.CustomerID), account.expected()
	last, err := a.client.Append(ctx, stream, expected, proposed...)
	if errors.Is(err, ErrUnavailable) && ctx.Err() == nil {
		// The answer was lost, and perhaps only that. The same append again writes what is missing and nothing twice.
		last, err = a.client.Append(ctx, stream, expected, proposed...)
	}
	if err != nil {
		return err
	}
	if err := account.take(events, last); err != nil {
		a.cache.Remove(r.CustomerID) // it may have taken a part of them
		return err
	}
	a.cache.Add(r.CustomerID, account) // a smaller cache may have dropped it meanwhile
	return nil
}

// pauseFor waits between half of and a whole longest, so that writers that met once do not meet again.
func pauseFor(ctx context.Context, longest time.Duration) bool {
	timer := time.NewTimer(longest/2 + rand.N(longest/2))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
