package streams

import (
	"context"
	"errors"
	"fmt"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// foldedAccount is an account folded from its stream up to, but not including, revision
// next.
type foldedAccount struct {
	*credit.Account
	next       uint64
	conflicted bool // another writer had taken revision next at the last append
}

func (f *foldedAccount) expected() kurrent.Expected {
	if f.next == 0 {
		return kurrent.NoStream()
	}
	return kurrent.At(f.next - 1)
}

// load returns the current account: the cached part, and the events written since. An
// account that cannot be brought up to date is evicted, unless the server was only
// unavailable. So a long stream is not read from the start again after an outage, or if
// the callers did not wait until its end.
func (a *CreditAccounts) load(ctx context.Context, customerID string) (*foldedAccount, error) {
	account := a.cache.get(customerID)
	if account == nil {
		account = &foldedAccount{Account: credit.NewAccount(customerID)}
	}
	err := a.readOn(ctx, account)
	if err == nil && account.conflicted {
		// What the append conflicted with cannot be read, so the stream is shorter than
		// the cached part: the server was restored from a backup.
		account = &foldedAccount{Account: credit.NewAccount(customerID)}
		err = a.readOn(ctx, account)
	}
	switch {
	case errors.Is(err, kurrent.ErrNotFound) && account.next == 0:
		return account, a.requireNew(ctx, customerID) // nothing to cache yet
	case errors.Is(err, kurrent.ErrNotFound), errors.Is(err, kurrent.ErrDeleted):
		err = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	switch {
	case err == nil, errors.Is(err, kurrent.ErrUnavailable):
		a.cache.add(account)
	default:
		a.cache.remove(customerID)
	}
	if err != nil {
		return nil, fmt.Errorf("fold credit account: %w", err)
	}
	return account, nil
}

// requireNew returns ErrTruncated if an account without events had some before its stream
// was deleted. The server accepts an append to such a stream as to one that never existed,
// and what was decided without those events would be there when they are restored.
func (a *CreditAccounts) requireNew(ctx context.Context, customerID string) error {
	stream := credit.Stream(customerID)
	deleted, err := a.client.SoftlyDeleted(ctx, stream)
	if err == nil && deleted {
		err = fmt.Errorf("%w: %s was deleted", ErrTruncated, stream)
	}
	if err != nil {
		return fmt.Errorf("fold credit account: %w", err)
	}
	return nil
}

// readOn folds the events that were written since account was folded. If none is found
// where there should be some, the leading node is asked: as in confirmedOnLeader, a node
// that led a moment ago may hold fewer events.
func (a *CreditAccounts) readOn(ctx context.Context, account *foldedAccount) error {
	stream := credit.Stream(account.CustomerID())
	err := a.client.ReadStream(ctx, stream, account.next, 0, account.fold)
	if account.next > 0 && kurrent.IsGone(err) || err == nil && account.conflicted {
		err = a.client.Leader().ReadStream(ctx, stream, account.next, 0, account.fold)
	}
	return err
}

// fold applies the stream's next event. A truncated stream, or one that was deleted and
// written again, is recognized by its revisions: the server silently leaves out what was
// removed.
func (f *foldedAccount) fold(e kurrent.Event) error {
	if e.Revision != f.next {
		return fmt.Errorf("%w: %s has %d where %d should be", ErrTruncated, e.Stream, e.Revision, f.next)
	}
	event, err := credit.DecodeEvent(e.Type, e.Data)
	if err == nil {
		err = f.Apply(event)
	}
	if err != nil {
		return fmt.Errorf("%s at %d: %w", e.Stream, e.Revision, err)
	}
	f.next, f.conflicted = f.next+1, false
	return nil
}

// applyAppended applies events that were appended at the end of the stream, where last is
// the revision of the newest.
func (f *foldedAccount) applyAppended(events []credit.Event, last uint64) error {
	if last != f.next+uint64(len(events))-1 { // a deleted stream continues at its old revision
		return fmt.Errorf("%w: %s continues at %d", ErrTruncated, credit.Stream(f.CustomerID()), last)
	}
	for _, event := range events {
		if err := f.Apply(event); err != nil {
			return err
		}
		f.next++
	}
	return nil
}
