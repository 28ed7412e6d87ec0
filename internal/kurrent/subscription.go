package kurrent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// lastWord is how long the connection outlives an answer: the server drops what it has received and not yet read of a
// subscription that is cut off, and would deliver events again that had been acknowledged.
const lastWord = 100 * time.Millisecond

// maxReason bounds the reason an event is parked with.
const maxReason = 1 << 10

var errUnanswerable = fmt.Errorf("%w: the server takes no answers", ErrUnavailable)

// Delivery is one event of a subscription, to be answered with Ack, Park or Retry.
type Delivery struct {
	Event      *Event // nil when Link points to an event that is gone, or cannot be read right now: see LinkTarget
	Link       *Event // nil when the subscription's stream holds the event itself
	RetryCount int    // how often the server sent it before
}

// Subscription is one consumer of a persistent subscription's group. It has a connection of its own and never
// reconnects: after an error, Close it and Join again. Ack, Park, Retry and Close may be called while Recv waits.
type Subscription struct {
	inner   *kurrentdb.PersistentSubscription
	client  *kurrentdb.Client
	life    context.Context         // its cause is why the subscription has ended
	end     context.CancelCauseFunc // closes the connection too
	timeout time.Duration           // of one answer

	closed    atomic.Bool
	answering sync.Mutex   // the connection takes one message at a time
	answered  atomic.Int64 // when, in Unix nanoseconds
}

// Join connects a consumer to a group, with at most buffer events sent to it and not yet answered. It is ErrNotFound
// when there is no such group. The subscription outlives ctx, which bounds joining, and ends with the client.
func (c *Client) Join(ctx context.Context, stream, group string, buffer int) (*Subscription, error) {
	if buffer < 1 || buffer > maxBuffer {
		return nil, fmt.Errorf("join %s::%s: %w: buffer must be from 1 to %d", stream, group, ErrInvalid, maxBuffer)
	}
	ctx, cancel := c.bounded(ctx)
	defer cancel()
	client, err := c.pool.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("join %s::%s: %w", stream, group, err)
	}
	s := &Subscription{client: client, timeout: c.timeout}
	s.life, s.end = context.WithCancelCause(c.closing)
	if err := s.join(ctx, stream, group, uint32(buffer)); err != nil {
		s.end(err)
		c.pool.put(client, err)
		return nil, fmt.Errorf("join %s::%s: %w", stream, group, translate(ctx, err))
	}
	c.pool.detach(client)
	context.AfterFunc(s.life, func() { closeClient(client) })
	return s, nil
}

func (s *Subscription) join(ctx context.Context, stream, group string, buffer uint32) error {
	// The client would end the subscription with the context it joined with.
	cutOff := context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
	err := guarded(s.life, s.client, func(life context.Context, client *kurrentdb.Client) (err error) {
		options := kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: buffer}
		return onLeader(func() error {
			s.inner, err = client.SubscribeToPersistentSubscription(life, stream, group, options)
			return err
		})
	})
	if err == nil && !cutOff() {
		return context.Cause(ctx)
	}
	return err
}

// Recv waits for the next event, for as long as the subscription lasts. Its error is for good: ErrClosed, or why the
// server or the network ended it. A group that was deleted shows as ErrUnavailable here, and as ErrNotFound to Join.
func (s *Subscription) Recv() (Delivery, error) {
	var received *kurrentdb.PersistentSubscriptionEvent
	err := guarded(s.life, s.client, func(context.Context, *kurrentdb.Client) error {
		received = s.inner.Recv()
		return nil
	})
	switch {
	case s.closed.Load():
		return Delivery{}, ErrClosed
	case s.life.Err() != nil:
		return Delivery{}, context.Cause(s.life)
	case err != nil:
	case received.SubscriptionDropped != nil:
		err = received.SubscriptionDropped.Error
	case received.EventAppeared == nil || received.EventAppeared.Event.OriginalEvent() == nil:
		err = errors.New("message is not an event")
	default:
		return deliveryOf(received.EventAppeared), nil
	}
	err = fmt.Errorf("receive: %w", translate(s.life, err))
	s.end(err)
	return Delivery{}, err
}

func deliveryOf(appeared *kurrentdb.EventAppeared) Delivery {
	return Delivery{
		Event: eventOf(appeared.Event.Event), Link: eventOf(appeared.Event.Link), RetryCount: appeared.RetryCount,
	}
}

// Ack tells the server that d is done with. A nil error means that it was sent: one that gets lost with the connection
// means another delivery.
func (s *Subscription) Ack(d Delivery) error {
	return s.answer(d, "ack", func(e *kurrentdb.ResolvedEvent) error { return s.inner.Ack(e) })
}

// Park puts d aside for a person to look at, with a reason of up to 1 KiB.
func (s *Subscription) Park(d Delivery, reason string) error {
	return s.nack(d, "park", kurrentdb.NackActionPark, reason)
}

// Retry gives d back to be delivered again, at once and perhaps to another consumer. It counts as a retry.
func (s *Subscription) Retry(d Delivery, reason string) error {
	return s.nack(d, "retry", kurrentdb.NackActionRetry, reason)
}

func (s *Subscription) nack(d Delivery, verb string, action kurrentdb.NackAction, reason string) error {
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return s.answer(d, verb, func(e *kurrentdb.ResolvedEvent) error { return s.inner.Nack(reason, action, e) })
}

// answer sends one answer. A server that stops reading would block it, and with it all others: the subscription ends then.
func (s *Subscription) answer(d Delivery, verb string, send func(*kurrentdb.ResolvedEvent) error) error {
	original := d.Link
	if original == nil {
		original = d.Event
	}
	if original == nil {
		return fmt.Errorf("%s: %w: empty delivery", verb, ErrInvalid)
	}
	s.answering.Lock()
	defer s.answering.Unlock()
	switch {
	case s.closed.Load():
		return fmt.Errorf("%s: %w", verb, ErrClosed)
	case s.life.Err() != nil:
		return fmt.Errorf("%s: %w", verb, context.Cause(s.life))
	}
	giveUp := time.AfterFunc(s.timeout, func() { s.end(errUnanswerable) })
	defer giveUp.Stop()
	// The server goes by the id of the event it sent, which is the link's when there is one.
	if err := send(&kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventID: original.ID}}); err != nil {
		return fmt.Errorf("%s: %w: subscription has ended", verb, ErrUnavailable) // why, only Recv is told
	}
	s.answered.Store(time.Now().UnixNano())
	return nil
}

// Close leaves the group: the server gives what was not answered to others. Recv and answers under way end within a second.
func (s *Subscription) Close() {
	if !s.closed.CompareAndSwap(false, true) {
		return
	}
	s.deliverLastWord()
	s.end(ErrClosed) // and not the client's own Close of a subscription: it would send beside an answer that is under way
}

func (s *Subscription) deliverLastWord() {
	left := lastWord - time.Since(time.Unix(0, s.answered.Load()))
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.life.Done():
	}
}
