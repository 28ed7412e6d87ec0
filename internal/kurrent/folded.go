package kurrent

import (
	"context"
	"errors"
	"fmt"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/credit"
)

// folded is an account as its stream tells it up to, not including, revision next.
type folded struct {
	*credit.Account
	next uint64
}

func streamOf(customerID string) string { return "credit-" + customerID }

func (f *folded) expected() Expected {
	if f.next == 0 {
		return NoStream()
	}
	return At(f.next - 1)
}

// load gives the account as it is now: what is cached, and the tail that was written since. An account that could not be
// brought up to date is forgotten, unless only the server did not answer: what was read of a long stream is read once.
func (a *CreditAccounts) load(ctx context.Context, customerID string) (*folded, error) {
	account, cached := a.cache.Get(customerID)
	if !cached {
		account = &folded{Account: credit.NewAccount(customerID)}
	}
	stream := streamOf(customerID)
	read := func(leader bool) error {
		return a.client.read(ctx, page{stream: stream, from: account.next, leader: leader}, func(e *kurrentdb.ResolvedEvent) error {
			return account.fold(*eventOf(e.Event))
		})
	}
	err := read(false)
	if account.next > 0 && isGone(err) {
		err = read(true) // as in believed: a node that led a moment ago may know of less
	}
	switch {
	case errors.Is(err, ErrNotFound) && account.next == 0:
		return account, nil // there is nothing to remember yet
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

// fold takes in the stream's next event. A truncated stream, or one that was deleted and written again, shows by its
// revisions: the server leaves out what is gone without a word.
func (f *folded) fold(e Event) error {
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

// take applies events that were appended as the stream's newest, of which the last one got the revision last.
func (f *folded) take(events []credit.Event, last uint64) error {
	if last != f.next+uint64(len(events))-1 { // a stream that was deleted goes on counting where it was
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
