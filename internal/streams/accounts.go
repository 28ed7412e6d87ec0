package streams

import (
	"context"
	"errors"
	"fmt"
	"time"

	lru "github.com/hashicorp/golang-lru/v2"

	"orderflow/internal/backoff"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// ErrTruncated is returned if a credit stream does not begin with its first event, has a
// gap, or was deleted. What was decided before cannot be known, so nothing is decided on
// it. It wraps credit.ErrHistory.
var ErrTruncated = fmt.Errorf("credit stream is not whole: %w", credit.ErrHistory)

// ErrConflict is returned if other writers kept writing to the same account. Retry a
// little later.
var ErrConflict = errors.New("credit account is busy")

// conflictTries limits how often a decision is made. After a conflict with another writer
// it is made again on what that writer wrote.
const conflictTries = 6

// conflictBackoff is the backoff between those tries.
var conflictBackoff = backoff.Exponential{Min: 10 * time.Millisecond, Max: 320 * time.Millisecond}

const defaultCacheSize = 1024

// CreditAccountsConfig says where accounts are stored and on which terms they decide.
type CreditAccountsConfig struct {
	Client    *kurrent.Client
	Terms     credit.Terms
	CacheSize int // folded accounts kept in memory; 0 is 1024
}

// CreditAccounts keeps each customer's credit account in the stream credit-<customerId>.
// It folds the events, lets the account decide, and appends the outcome at exactly the
// revision it was decided on. It is safe for concurrent use, including alongside other
// processes on the same streams.
type CreditAccounts struct {
	client *kurrent.Client
	terms  credit.Terms
	cache  *lru.Cache[string, *foldedAccount] // by customer id; an entry is used only under the customer's lock
	locks  *keyedLock
}

// NewCreditAccounts returns accounts on the client, with an empty cache.
func NewCreditAccounts(config CreditAccountsConfig) *CreditAccounts {
	size := config.CacheSize
	if size <= 0 {
		size = defaultCacheSize
	}
	cache, _ := lru.New[string, *foldedAccount](size) // fails only if size is not above zero
	return &CreditAccounts{client: config.Client, terms: config.Terms, cache: cache, locks: newKeyedLock()}
}

// Reserve decides about an order by the credit rule, or returns the decision already
// made. Its errors wrap one of
//
//   - kurrent.ErrUnavailable, ErrConflict or kurrent.ErrAccessDenied: temporary. The
//     last two clear once other writers are done or an operator helps.
//   - credit.ErrUnknownEvent: nothing can be decided here until a version that knows the
//     event runs.
//   - credit.ErrHistory, by way of ErrTruncated, *credit.HistoryError or
//     credit.ErrInvalidEvent: nothing can be decided until an operator has repaired the
//     stream.
//   - an error of the account's own command, such as credit.ErrInvalidAmount: the same
//     request fails again.
//   - kurrent.ErrInvalid for an invalid customer id, or kurrent.ErrInvalid or
//     kurrent.ErrTooLarge for an append that the server will never accept.
func (a *CreditAccounts) Reserve(ctx context.Context, r credit.Request) (credit.Decision, error) {
	return a.decide(ctx, r, "reserve", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		terms := a.terms
		terms.HoldUntil = r.HoldUntil
		return account.Reserve(r.OrderID, r.Amount, terms)
	})
}

// Approve reserves a held order outside the rule, because by allowed it, or returns the
// decision already made. Errors are those of Reserve.
func (a *CreditAccounts) Approve(ctx context.Context, r credit.Request, by string) (credit.Decision, error) {
	return a.decide(ctx, r, "approve", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		return account.Approve(r.OrderID, r.Amount, by, a.terms)
	})
}

// Release closes an order permanently and returns its reserved credit to the account.
// Only the currency of r.Amount matters. Errors are those of Reserve.
func (a *CreditAccounts) Release(ctx context.Context, r credit.Request, cause credit.Cause) (credit.Decision, error) {
	return a.decide(ctx, r, "release", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		return account.Release(r.OrderID, r.Amount, cause)
	})
}

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

// Decision returns what the customer's account decided about an order, and reports
// whether it decided anything. It writes nothing. Errors are those of the first three
// kinds of Reserve.
func (a *CreditAccounts) Decision(ctx context.Context, customerID, orderID string) (credit.Decision, bool, error) {
	if !order.ValidIdentifier(customerID) {
		return credit.Decision{}, false, fmt.Errorf("%w: customer id", kurrent.ErrInvalid)
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

type command func(*credit.Account) (credit.Decision, []credit.Event, error)

// decide runs command with one writer of this process at a time per customer: more would
// only conflict with each other.
func (a *CreditAccounts) decide(ctx context.Context, r credit.Request, step string, command command) (credit.Decision, error) {
	if !order.ValidIdentifier(r.CustomerID) { // event ids rely on it having no control characters
		return credit.Decision{}, fmt.Errorf("%w: customer id", kurrent.ErrInvalid)
	}
	unlock, err := a.locks.lock(ctx, r.CustomerID)
	if err != nil {
		return credit.Decision{}, fmt.Errorf("%w: %w", ErrConflict, err)
	}
	defer unlock()
	for try := range conflictTries {
		decision, err := a.attempt(ctx, r, step, command)
		if !errors.Is(err, kurrent.ErrWrongRevision) {
			return decision, err
		}
		if try == conflictTries-1 {
			break
		}
		if err := conflictBackoff.Wait(ctx, try); err != nil {
			return credit.Decision{}, fmt.Errorf("%w: %w", ErrConflict, err)
		}
	}
	return credit.Decision{}, fmt.Errorf("%w: %s", ErrConflict, credit.Stream(r.CustomerID))
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

// attempt folds the new events, decides, and appends.
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

// append writes events at the folded revision and applies them to account. If something
// else was written there, account stays as it was folded, and the next attempt reads what
// was written.
func (a *CreditAccounts) append(ctx context.Context, account *foldedAccount, r credit.Request, step string, events []credit.Event) error {
	proposed, err := proposedEvents(r, step, events)
	if err != nil {
		return err
	}
	stream, expected := credit.Stream(r.CustomerID), account.expected()
	last, err := a.client.Append(ctx, stream, expected, proposed...)
	if errors.Is(err, kurrent.ErrUnavailable) && ctx.Err() == nil {
		// The response was lost, and perhaps only that. Repeating the same append writes
		// what is missing and nothing twice.
		last, err = a.client.Append(ctx, stream, expected, proposed...)
	}
	if err != nil {
		return err
	}
	if err := account.applyAppended(events, last); err != nil {
		a.cache.Remove(r.CustomerID) // some of them may have been applied
		return err
	}
	a.cache.Add(r.CustomerID, account) // a small cache may have evicted it meanwhile
	return nil
}
