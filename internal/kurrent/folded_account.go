package kurrent

import (
	"context"
	"errors"
	"fmt"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/credit"
)

// foldedAccount is an account folded from its stream up to, but not including, revision
// next.
type foldedAccount struct {
	*credit.Account
	next uint64
}

func streamOf(customerID string) string { return "credit-" + customerID }

func (f *foldedAccount) expected() Expected {
	if f.next == 0 {
		return NoStream()
	}
	return At(f.next - 1)
}

// load returns the current account: the cached part, and the events written since. An
// account that cannot be brought up to date is evicted, unless the server was only
// unavailable. So a long stream is not read from the start again after an outage.
func (a *CreditAccounts) load(ctx context.Context, customerID string) (*foldedAccount, error) {
	account, cached := a.cache.Get(customerID)
	if !cached {
		account = &foldedAccount{Account: credit.NewAccount(customerID)}
	}
	stream := streamOf(customerID)
	read := func(leader bool) error {
		return a.client.read(ctx, page{stream: stream, from: account.next, leader: leader}, func(e *kurrentdb.ResolvedEvent) error {
			return account.fold(*eventOf(e.Event))
		})
	}
	err := read(false)
	if account.next > 0 && isGone(err) {
		err = read(true) // as in confirmedOnLeader: a node that led a moment ago may hold fewer events
	}
	switch {
	case errors.Is(err, ErrNotFound) && account.next == 0:
		return account, nil // nothing to cache yet
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrDeleted):
		err = fmt.Errorf("%w: %w", ErrTruncated, err)
	}
	switch {
	case err == nil, errors.Is(err, ErrUnavailable):
		a.cache.Add(customerID, account)
	default:
		a.cache.Remove(customerID)
	}
	if err != nil {
		return nil, fmt.Errorf("fold credit account: %w", err)
	}
	return account, nil
}

// fold applies the stream's next event. A truncated stream, or one that was deleted and
// written again, is recognized by its revisions: the server silently leaves out what was
// removed.
func (f *foldedAccount) fold(e Event) error {
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
	f.next++
	return nil
}

// applyAppended applies events that were appended at the end of the stream, where last is
// the revision of the newest.
func (f *foldedAccount) applyAppended(events []credit.Event, last uint64) error {
	if last != f.next+uint64(len(events))-1 { // a deleted stream continues at its old revision
		return fmt.Errorf("%w: %s continues at %d", ErrTruncated, streamOf(f.CustomerID()), last)
	}
	for _, event := range events {
		if err := f.Apply(event); err != nil {
			return err
		}
		f.next++
	}
	return nil
}
