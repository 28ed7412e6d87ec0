package streams

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// command lets an account decide about one request. It may be called several times, on
// the account and on drafts of it.
type command func(*credit.Account) (credit.Decision, []credit.Event, error)

// accountRequest is one request for an account.
type accountRequest struct {
	credit.Request
	step    string // what the command is called in the ids of its events
	command command

	conflicts int  // how often it was decided at a revision that another writer then took
	alone     bool // its events are appended in an append of their own

	done  chan outcome // has room for one
	state requestState // guarded by accountRequests.mu
}

// outcome is the result of a request. written reports whether the request changed the
// account.
type outcome struct {
	decision credit.Decision
	written  bool
	err      error
}

type requestState int

const (
	requestWaiting requestState = iota
	requestDeciding
	requestDone // it has an outcome, or its caller has left
)

// accountRequests groups the requests for each account. While a group is being decided,
// later requests wait; they are the next group. Each account with requests has a
// goroutine, which calls decide with one group at a time.
//
// decide calls finish for each request that it has an outcome for, and returns those that
// have to be decided again. Its context ends when no caller waits for the group any more.
type accountRequests struct {
	decide func(ctx context.Context, customerID string, group []*accountRequest) (again []*accountRequest)
	limit  int // of requests for one account at a time

	mu     sync.Mutex
	queues map[string]*accountQueue // by customer id; one for each goroutine
}

// accountQueue holds the requests for one account. Each of them has a caller that waits.
type accountQueue struct {
	waiting  []*accountRequest
	deciding int                     // requests of the group that have no outcome yet
	cancel   context.CancelCauseFunc // ends the group's context
}

// maxGroup bounds how many requests are decided together. A command appends two events at
// most, or a review credit.MaxReviewed in all, and an append takes a thousand.
const maxGroup = 256

// do returns the outcome of a request. It returns credit.ErrBusy if there are too many
// requests for the account, or if ctx ends before this one is decided. It returns
// kurrent.ErrUnavailable if ctx ends while it is being decided: its effect is not known.
func (q *accountRequests) do(ctx context.Context, r *accountRequest) outcome {
	if !q.add(r) {
		return outcome{err: fmt.Errorf("%w: %s has %d requests", credit.ErrBusy, credit.Stream(r.CustomerID), q.limit)}
	}
	select {
	case o := <-r.done:
		return o
	case <-ctx.Done():
		return q.leave(r, context.Cause(ctx))
	}
}

// add queues a request, or returns false if the account has too many.
func (q *accountRequests) add(r *accountRequest) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	queue := q.queues[r.CustomerID]
	if queue != nil && len(queue.waiting)+queue.deciding >= q.limit {
		return false
	}
	r.done = make(chan outcome, 1)
	if queue == nil {
		queue = &accountQueue{}
		q.queues[r.CustomerID] = queue
		go q.run(r.CustomerID, queue)
	}
	queue.waiting = append(queue.waiting, r)
	return true
}

// leave withdraws a request: a waiting one is not decided any more.
func (q *accountRequests) leave(r *accountRequest, cause error) outcome {
	q.mu.Lock()
	defer q.mu.Unlock()
	state, queue := r.state, q.queues[r.CustomerID]
	r.state = requestDone
	switch state {
	case requestWaiting:
		queue.waiting = slices.DeleteFunc(queue.waiting, func(other *accountRequest) bool { return other == r })
		return outcome{err: fmt.Errorf("%w: %w", credit.ErrBusy, cause)}
	case requestDeciding:
		queue.settle(cause)
		return outcome{err: fmt.Errorf("%w: %w", kurrent.ErrUnavailable, cause)}
	default:
		return <-r.done
	}
}

// finish sets the outcome of a request of the group that is being decided.
func (q *accountRequests) finish(r *accountRequest, o outcome) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if r.state == requestDeciding {
		r.state = requestDone
		r.done <- o
		q.queues[r.CustomerID].settle(nil)
	}
}

// settle counts a request of the group as done.
func (q *accountQueue) settle(cause error) {
	if q.deciding--; q.deciding == 0 {
		q.cancel(cause)
	}
}

func (q *accountRequests) run(customerID string, queue *accountQueue) {
	for {
		ctx, group := q.next(customerID, queue)
		if len(group) == 0 {
			return
		}
		q.putBack(queue, q.decide(ctx, customerID, group))
	}
}

// next takes the next group. If no request waits, it removes the queue and returns none.
func (q *accountRequests) next(customerID string, queue *accountQueue) (context.Context, []*accountRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(queue.waiting) == 0 {
		delete(q.queues, customerID)
		return nil, nil
	}
	count := min(len(queue.waiting), maxGroup)
	group := slices.Clone(queue.waiting[:count])
	queue.waiting = slices.Delete(queue.waiting, 0, count)
	for _, r := range group {
		r.state = requestDeciding
	}
	// A group belongs to several callers, so it does not end with one of them. Each call
	// to the server has its own deadline.
	ctx, cancel := context.WithCancelCause(context.Background())
	queue.deciding, queue.cancel = count, cancel
	return ctx, group
}

// putBack ends the group. Its requests that have no outcome yet, except those whose
// caller has left, wait before all others.
func (q *accountRequests) putBack(queue *accountQueue, again []*accountRequest) {
	q.mu.Lock()
	defer q.mu.Unlock()
	again = slices.DeleteFunc(again, func(r *accountRequest) bool { return r.state == requestDone })
	for _, r := range again {
		r.state = requestWaiting
	}
	queue.waiting = append(again, queue.waiting...)
	queue.deciding = 0
	queue.cancel(nil)
}
