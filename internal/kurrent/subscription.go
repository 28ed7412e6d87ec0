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

// ackLinger is how long the connection stays open after an acknowledgment. The server
// drops what it has received and not yet read from a closed subscription, and would
// redeliver events that had been acknowledged.
const ackLinger = 100 * time.Millisecond

// maxReason bounds the reason that an event is parked with.
const maxReason = 1 << 10

var errAckBlocked = fmt.Errorf("%w: the server does not read acknowledgments", ErrUnavailable)

// Delivery is one event of a subscription. The consumer must call Ack, Park or Retry for
// it.
type Delivery struct {
	Event      *Event // nil if Link points to an event that is gone, or cannot be read now: see LinkTarget
	Link       *Event // nil if the subscription's stream holds the event itself
	RetryCount int    // how often the server sent it before
}

// Subscription is one consumer of a persistent subscription's group. It has a connection
// of its own and never reconnects: after an error, Close it and Join again. Ack, Park,
// Retry and Close may be called while Recv waits.
type Subscription struct {
	inner   *kurrentdb.PersistentSubscription
	client  *kurrentdb.Client
	ctx     context.Context         // its cause is why the subscription ended
	end     context.CancelCauseFunc // closes the connection too
	timeout time.Duration           // for sending one acknowledgment

	acking   sync.Mutex
	batch    *ackBatch // acknowledgments that wait for more; nil if none do
	maxBatch int       // events in a batch

	closed   atomic.Bool
	sending  sync.Mutex   // the connection takes one message at a time
	lastSent atomic.Int64 // when the last acknowledgment was sent, in Unix nanoseconds
}

// Join connects a consumer to a group, with at most buffer unacknowledged events sent to
// it. It returns ErrNotFound if there is no such group. ctx bounds only joining: the
// subscription outlives it, and ends with the client.
func (c *Client) Join(ctx context.Context, stream, group string, buffer int) (*Subscription, error) {
	if buffer < 1 || buffer > maxBuffer {
		return nil, fmt.Errorf("join %s::%s: %w: buffer must be from 1 to %d", stream, group, ErrInvalid, maxBuffer)
	}
	ctx, cancel := c.withDeadline(ctx)
	defer cancel()
	client, err := c.pool.get(ctx)
	if err != nil {
		return nil, fmt.Errorf("join %s::%s: %w", stream, group, err)
	}
	began := time.Now()
	s := &Subscription{client: client, timeout: c.timeout, maxBatch: max(1, buffer/ackShare)}
	s.ctx, s.end = context.WithCancelCause(c.closing)
	if err := s.join(ctx, stream, group, uint32(buffer)); err != nil {
		s.end(err)
		c.pool.put(client, began, err)
		return nil, fmt.Errorf("join %s::%s: %w", stream, group, translate(ctx, err))
	}
	c.pool.detach(client)
	context.AfterFunc(s.ctx, func() { closeClient(client) })
	return s, nil
}

func (s *Subscription) join(ctx context.Context, stream, group string, buffer uint32) error {
	// The client would end the subscription when the context it joined with ends.
	disarm := context.AfterFunc(ctx, func() { s.end(context.Cause(ctx)) })
	err := recoverPanics(s.ctx, s.client, func(subCtx context.Context, client *kurrentdb.Client) (err error) {
		options := kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: buffer}
		return onLeader(func() error {
			if stream == All {
				s.inner, err = client.SubscribeToPersistentSubscriptionToAll(subCtx, group, options)
			} else {
				s.inner, err = client.SubscribeToPersistentSubscription(subCtx, stream, group, options)
			}
			return err
		})
	})
	if err == nil && !disarm() {
		return context.Cause(ctx)
	}
	return err
}

// Recv waits for the next event, for as long as the subscription lasts. An error is
// final: ErrClosed, or why the server or the network ended the subscription. If the group
// was deleted, Recv returns ErrUnavailable, and Join returns ErrNotFound.
func (s *Subscription) Recv() (Delivery, error) {
	var received *kurrentdb.PersistentSubscriptionEvent
	err := recoverPanics(s.ctx, s.client, func(context.Context, *kurrentdb.Client) error {
		received = s.inner.Recv()
		return nil
	})
	switch {
	case s.closed.Load():
		return Delivery{}, ErrClosed
	case s.ctx.Err() != nil:
		return Delivery{}, context.Cause(s.ctx)
	case err != nil:
	case received.SubscriptionDropped != nil:
		err = received.SubscriptionDropped.Error
	case received.EventAppeared == nil || received.EventAppeared.Event.OriginalEvent() == nil:
		err = errors.New("message is not an event")
	default:
		return deliveryOf(received.EventAppeared), nil
	}
	err = fmt.Errorf("receive: %w", translate(s.ctx, err))
	s.end(err)
	return Delivery{}, err
}

func deliveryOf(appeared *kurrentdb.EventAppeared) Delivery {
	return Delivery{
		Event: eventOf(appeared.Event.Event), Link: eventOf(appeared.Event.Link), RetryCount: appeared.RetryCount,
	}
}

// Park parks d for an operator to look at, with a reason of up to 1 KiB.
func (s *Subscription) Park(d Delivery, reason string) error {
	return s.nack(d, "park", kurrentdb.NackActionPark, reason)
}

// Retry asks the server to deliver d again, at once and perhaps to another consumer. It
// counts as a retry.
func (s *Subscription) Retry(d Delivery, reason string) error {
	return s.nack(d, "retry", kurrentdb.NackActionRetry, reason)
}

func (s *Subscription) nack(d Delivery, verb string, action kurrentdb.NackAction, reason string) error {
	original, err := d.original(verb)
	if err != nil {
		return err
	}
	reason = strings.ToValidUTF8(reason[:min(len(reason), maxReason)], "")
	return s.send(verb, func() error { return s.inner.Nack(reason, action, original) })
}

// original returns the event to acknowledge. The server identifies it by the id it sent,
// which is the link's if there is one.
func (d Delivery) original(verb string) (*kurrentdb.ResolvedEvent, error) {
	original := d.Link
	if original == nil {
		original = d.Event
	}
	if original == nil {
		return nil, fmt.Errorf("%s: %w: empty delivery", verb, ErrInvalid)
	}
	return &kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventID: original.ID}}, nil
}

// send sends one message of acknowledgments. A server that stops reading would block it,
// and with it all others, so the subscription is ended then.
func (s *Subscription) send(verb string, message func() error) error {
	s.sending.Lock()
	defer s.sending.Unlock()
	switch {
	case s.closed.Load():
		return fmt.Errorf("%s: %w", verb, ErrClosed)
	case s.ctx.Err() != nil:
		return fmt.Errorf("%s: %w", verb, context.Cause(s.ctx))
	}
	timeout := time.AfterFunc(s.timeout, func() { s.end(errAckBlocked) })
	defer timeout.Stop()
	if err := message(); err != nil {
		return fmt.Errorf("%s: %w: subscription has ended", verb, ErrUnavailable) // Recv returns the cause
	}
	s.lastSent.Store(time.Now().UnixNano())
	return nil
}

// Close leaves the group: the server delivers unacknowledged events to other consumers.
// Recv and acknowledgments in progress return within a second.
func (s *Subscription) Close() {
	if !s.closed.CompareAndSwap(false, true) {
		return
	}
	s.lingerForAcks()
	s.end(ErrClosed) // the client's own Close would send concurrently with an acknowledgment in progress
}

func (s *Subscription) lingerForAcks() {
	left := ackLinger - time.Since(time.Unix(0, s.lastSent.Load()))
	if left <= 0 {
		return
	}
	timer := time.NewTimer(left)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
	}
}
