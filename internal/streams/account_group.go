package streams

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	"orderflow/internal/backoff"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// conflictTries limits how often a request is decided. After a conflict with another
// writer it is decided again on what that writer wrote.
const conflictTries = 6

// conflictBackoff is the backoff between those tries.
var conflictBackoff = backoff.Exponential{Min: 10 * time.Millisecond, Max: 320 * time.Millisecond}

// maxGroupBytes bounds the events that are appended together, unless one request has
// more. It leaves a server with a low limit some room.
const maxGroupBytes = kurrent.MaxAppendBytes / 4

// decideSafely is decideGroup, except that a panic fails the group. No activity's
// goroutine runs it, so the panic would end the process again at each attempt. The folded
// account may be half changed, and is read again.
func (a *CreditAccounts) decideSafely(ctx context.Context, customerID string, group []*accountRequest) (again []*accountRequest) {
	defer func() {
		if recover() != nil {
			a.logger.Error("deciding on a credit account panicked", "stream", credit.Stream(customerID), "stack", string(debug.Stack()))
			a.cache.remove(customerID)
			a.finishAll(group, outcome{err: ErrPanicked})
			again = nil
		}
	}()
	return a.decideGroup(ctx, customerID, group)
}

// decideGroup brings the account up to date, and decides a group of requests. Those that
// change nothing are finished at once. The events of the others are written in one
// append, so that they cost as much as one.
//
// The stream is always read first. An append at the cached revision would not tell
// whether the account is current: if another process has written the very same event
// there, the server returns success and writes nothing, however much was written after
// it. An order that was released since would be reported as reserved. And an append to a
// deleted stream would bring it back.
func (a *CreditAccounts) decideGroup(ctx context.Context, customerID string, group []*accountRequest) (again []*accountRequest) {
	account, err := a.load(ctx, customerID)
	if err != nil {
		a.finishAll(group, outcome{err: err})
		return nil
	}
	draft, rest := draftGroup(account.Account, a.finishUnchanged(account.Account, group))
	if len(draft.requests) == 0 {
		return nil
	}
	err = a.append(ctx, account, draft)
	switch {
	case err == nil:
		for i, r := range draft.requests {
			a.requests.finish(r, draft.outcomes[i])
		}
	case errors.Is(err, kurrent.ErrWrongRevision):
		account.conflicted = true
		again = a.retryConflict(ctx, draft.requests)
	case len(draft.requests) > 1 && (errors.Is(err, kurrent.ErrTooLarge) || errors.Is(err, kurrent.ErrInvalid)):
		for _, r := range draft.requests { // only one of them may be at fault
			r.alone = true
		}
		again = draft.requests
	default:
		a.finishAll(draft.requests, outcome{err: err})
	}
	return append(again, rest...)
}

// finishUnchanged finishes the requests that change nothing, because they were decided
// before or cannot be, and returns the others.
func (a *CreditAccounts) finishUnchanged(account *credit.Account, group []*accountRequest) (others []*accountRequest) {
	for _, r := range group {
		decision, events, err := r.command(account)
		if err == nil && len(events) > 0 {
			others = append(others, r)
			continue
		}
		a.requests.finish(r, outcome{decision: decision, err: err})
	}
	return others
}

func (a *CreditAccounts) finishAll(requests []*accountRequest, o outcome) {
	for _, r := range requests {
		a.requests.finish(r, o)
	}
}

// retryConflict waits for the backoff after a conflict, and returns the requests that are
// decided again.
func (a *CreditAccounts) retryConflict(ctx context.Context, requests []*accountRequest) (again []*accountRequest) {
	a.conflict()
	var delay time.Duration
	for _, r := range requests {
		r.conflicts++
		if r.conflicts >= conflictTries {
			a.requests.finish(r, outcome{err: fmt.Errorf("%w: others write to %s", credit.ErrBusy, credit.Stream(r.CustomerID))})
			continue
		}
		delay = max(delay, conflictBackoff.Delay(r.conflicts-1))
		again = append(again, r)
	}
	_ = backoff.Sleep(ctx, delay) // cut short if all of their callers leave
	return again
}

// groupDraft is what a group's requests come to if its events are appended.
type groupDraft struct {
	requests []*accountRequest
	outcomes []outcome // of each request
	events   []credit.Event
	proposed []kurrent.NewEvent // one for each of events
	size     int                // bytes of proposed
}

// draftGroup decides requests in turn, each on what those before it come to. It returns
// the rest, which are decided later, once there is as much as one append takes.
func draftGroup(account *credit.Account, requests []*accountRequest) (draft groupDraft, rest []*accountRequest) {
	after := account.Draft()
	for i, r := range requests {
		if i > 0 && (r.alone || requests[i-1].alone) {
			return draft, requests[i:]
		}
		decision, events, err := r.command(after)
		var proposed []kurrent.NewEvent
		if err == nil {
			proposed, err = proposedEvents(r.Request, r.step, events)
		}
		size := sizeOf(proposed)
		if i > 0 && draft.size+size > maxGroupBytes {
			return draft, requests[i:]
		}
		draft.requests = append(draft.requests, r)
		if err == nil {
			err = applyAll(after, events)
		}
		if err != nil {
			draft.outcomes = append(draft.outcomes, outcome{err: err})
			return draft, requests[i+1:] // some of its events may have been applied
		}
		draft.outcomes = append(draft.outcomes, outcome{decision: decision, written: len(events) > 0})
		draft.events, draft.proposed = append(draft.events, events...), append(draft.proposed, proposed...)
		draft.size += size
	}
	return draft, nil
}

func applyAll(account *credit.Account, events []credit.Event) error {
	for _, event := range events {
		if err := account.Apply(event); err != nil {
			return err
		}
	}
	return nil
}

func sizeOf(events []kurrent.NewEvent) (size int) {
	for _, e := range events {
		size += e.Size()
	}
	return size
}

// append writes a draft's events at the folded revision and applies them to account. If
// something else was written there, account stays as it was folded, and the next attempt
// reads what was written.
func (a *CreditAccounts) append(ctx context.Context, account *foldedAccount, draft groupDraft) error {
	if len(draft.proposed) == 0 {
		return nil
	}
	stream, expected := credit.Stream(account.CustomerID()), account.expected()
	last, err := a.client.Append(ctx, stream, expected, draft.proposed...)
	if errors.Is(err, kurrent.ErrUnavailable) && ctx.Err() == nil {
		// The response was lost, and perhaps only that. Repeating the same append writes
		// what is missing and nothing twice.
		last, err = a.client.Append(ctx, stream, expected, draft.proposed...)
	}
	if err != nil {
		return err
	}
	if err := account.applyAppended(draft.events, last); err != nil {
		a.cache.remove(account.CustomerID()) // some of them may have been applied
		return err
	}
	a.cache.add(account)
	return nil
}
