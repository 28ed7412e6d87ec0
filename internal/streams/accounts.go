package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// ErrTruncated is returned if a credit stream does not begin with its first event, has a
// gap, or was deleted. What was decided before cannot be known, so nothing is decided on
// it. It wraps credit.ErrHistory.
var ErrTruncated = fmt.Errorf("credit stream is not whole: %w", credit.ErrHistory)

// ErrPanicked is returned if this program panicked while it folded the account or decided
// on it. The panic may quote an order, so only its place is logged. Nothing is known about
// what was written.
var ErrPanicked = errors.New("deciding on the credit account panicked")

const (
	defaultCacheSize   = 1024
	defaultCacheOrders = 250_000
	defaultMaxRequests = 16
)

// CreditAccountsConfig says where accounts are stored and on which terms they decide.
type CreditAccountsConfig struct {
	Client *kurrent.Client
	Terms  credit.Terms

	CacheSize   int // folded accounts kept in memory; 0 is 1024
	CacheOrders int // orders decided by those accounts, about 200 bytes each; 0 is 250,000

	// MaxRequests is how many requests for one account can be in progress. More fail at
	// once with credit.ErrBusy, so that an account that is slow, because its stream is
	// long or contended, does not take up all of its callers' capacity. 0 is 16.
	MaxRequests int

	Logger *slog.Logger // of panics; nil discards them

	OnConflict func() // called before a decision is repeated because another writer came first; may be nil
}

// CreditAccounts keeps each customer's credit account in the stream credit-<customerId>.
// It folds the events, lets the account decide, and appends the outcome at exactly the
// revision it was decided on. Requests for one account that arrive meanwhile are decided
// together next, and written in one append. It is safe for concurrent use, including
// alongside other processes on the same streams.
type CreditAccounts struct {
	client   *kurrent.Client
	terms    credit.Terms
	cache    *accountCache // an entry is used only by the goroutine of the account's requests
	requests *accountRequests
	logger   *slog.Logger
	conflict func()
}

// NewCreditAccounts returns accounts on the client, with an empty cache.
func NewCreditAccounts(config CreditAccountsConfig) *CreditAccounts {
	a := &CreditAccounts{
		client: config.Client, terms: config.Terms, logger: cmp.Or(config.Logger, slog.New(slog.DiscardHandler)),
		cache: newAccountCache(cmp.Or(config.CacheSize, defaultCacheSize), cmp.Or(config.CacheOrders, defaultCacheOrders)),
	}
	if a.conflict = config.OnConflict; a.conflict == nil {
		a.conflict = func() {}
	}
	a.requests = &accountRequests{
		decide: a.decideSafely, limit: cmp.Or(config.MaxRequests, defaultMaxRequests), queues: map[string]*accountQueue{},
	}
	return a
}

// Reserve decides about an order by the credit rule, or returns the decision already
// made. Its errors wrap one of
//
//   - kurrent.ErrUnavailable, credit.ErrBusy or kurrent.ErrAccessDenied: temporary. The
//     last two clear once other requests are done or an operator helps.
//   - credit.ErrUnknownEvent: nothing can be decided here until a version that knows the
//     event runs.
//   - credit.ErrHistory, by way of ErrTruncated, *credit.HistoryError or
//     credit.ErrInvalidEvent: nothing can be decided until an operator has repaired the
//     stream.
//   - ErrPanicked: the same request may fail again, until another version runs.
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

// Restore reserves an order whose reservation the account's stream has lost, and otherwise
// returns the decision already made: see credit.Account.Restore. Errors are those of
// Reserve.
func (a *CreditAccounts) Restore(ctx context.Context, r credit.Request, by string) (credit.Decision, error) {
	return a.decide(ctx, r, "restore", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		terms := a.terms
		terms.HoldUntil = r.HoldUntil
		return account.Restore(r.OrderID, r.Amount, by, terms)
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
	decision, err := a.decide(ctx, credit.Request{CustomerID: customerID}, "read", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		decision, _ := account.Decision(orderID)
		return decision, nil, nil
	})
	return decision, decision.Verdict != "", err
}

func (a *CreditAccounts) decide(ctx context.Context, r credit.Request, step string, command command) (credit.Decision, error) {
	o := a.do(ctx, r, step, command)
	return o.decision, o.err
}

// limit runs a command that concerns no order. A limit that is set again later is the
// same event at another revision. That is fine: an append at an exact revision compares
// ids only at that revision.
func (a *CreditAccounts) limit(
	ctx context.Context, customerID, step string, command func(*credit.Account) ([]credit.Event, error),
) (bool, error) {
	request := credit.Request{CustomerID: customerID}
	o := a.do(ctx, request, step, func(account *credit.Account) (credit.Decision, []credit.Event, error) {
		events, err := command(account)
		return credit.Decision{}, events, err
	})
	return o.written, o.err
}

func (a *CreditAccounts) do(ctx context.Context, r credit.Request, step string, command command) outcome {
	if !order.ValidIdentifier(r.CustomerID) { // event ids rely on it having no control characters
		return outcome{err: fmt.Errorf("%w: customer id", kurrent.ErrInvalid)}
	}
	return a.requests.do(ctx, &accountRequest{Request: r, step: step, command: command})
}
