package emailevents

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"orderflow/internal/backoff"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/ses"
	"orderflow/internal/streams"
)

// Queue holds the provider's events. ses.Queue implements it.
type Queue interface {
	Receive(ctx context.Context, most int) ([]ses.QueueMessage, error)
	Delete(ctx context.Context, messages []ses.QueueMessage) error
	Postpone(ctx context.Context, m ses.QueueMessage, by time.Duration) error
}

// Ledger records events. postgres.EmailLedger implements it.
type Ledger interface {
	RecordEmailEvent(ctx context.Context, e email.Event) (email.Recorded, error)
}

// Publisher publishes what concerns more than the email. streams.Emails implements it.
type Publisher interface {
	PublishEmailEvent(ctx context.Context, e email.Event, known email.Recorded) error
}

const (
	batch         = 10 // messages received at once
	recordTimeout = 15 * time.Second

	// shortestDelay and longestDelay bound how long a message that is not handled is
	// hidden: twice as long with each receive. With a redrive policy of 10 receives it
	// reaches the dead-letter queue within two hours; without one it returns every 15
	// minutes until the queue drops it.
	shortestDelay = 30 * time.Second
	longestDelay  = 15 * time.Minute

	// inHand is how long a message is hidden for one more attempt: longer than that takes,
	// with the wait before the next.
	inHand = 2 * time.Minute
)

// outageBackoff is the backoff while the queue or a store fails.
var outageBackoff = backoff.Exponential{Min: 500 * time.Millisecond, Max: 30 * time.Second}

// Consumer takes events from the queue, one batch after the other. An event is deleted
// once the ledger has it and it is published: both may be repeated, so one that is received
// twice changes nothing. Several consumers may share a queue.
type Consumer struct {
	Queue     Queue
	Ledger    Ledger
	Publisher Publisher
	Metrics   *Metrics
	Logger    *slog.Logger

	ConfigurationSet string // of the emails whose events are taken: that of this environment

	mu   sync.Mutex
	last error // why the newest batch failed, nil if it did not
}

// Check returns why no events are consumed at the moment, or nil. It makes no call.
func (c *Consumer) Check(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Run consumes until ctx ends. It finishes the message in hand.
func (c *Consumer) Run(ctx context.Context) {
	for failures := 0; ctx.Err() == nil; {
		err := c.consume(ctx)
		if ctx.Err() != nil {
			return
		}
		c.note(ctx, err)
		if err == nil {
			failures = 0
			continue
		}
		if outageBackoff.Wait(ctx, failures) != nil {
			return
		}
		failures++
	}
}

// note keeps the batch's error for Check, and logs it when it changes.
func (c *Consumer) note(ctx context.Context, err error) {
	c.mu.Lock()
	before := c.last
	c.last = err
	c.mu.Unlock()
	switch {
	case err == nil && before != nil:
		c.Logger.Info("email events resumed")
	case err != nil && (before == nil || before.Error() != err.Error()):
		level := slog.LevelWarn
		if blocked, ok := errors.AsType[interface {
			error
			Blocked() bool
		}](err); ok && blocked.Blocked() {
			level = slog.LevelError
		}
		c.Logger.Log(ctx, level, "email events wait", "error", err)
	}
}

// consume receives a batch and handles it.
func (c *Consumer) consume(ctx context.Context) error {
	messages, err := c.Queue.Receive(ctx, batch)
	if err != nil {
		c.Metrics.retry(workReceive)
		return err
	}
	var done []ses.QueueMessage
	for i, m := range messages {
		handled, err := c.handle(ctx, m)
		failed := err != nil
		if failed {
			_ = c.remove(ctx, done) // what stays in the queue is received again
			done = nil
			c.release(ctx, messages[i+1:])
			handled = c.handleAgain(ctx, m, err)
		}
		if handled {
			done = append(done, m)
		}
		if failed || ctx.Err() != nil {
			break
		}
	}
	return c.remove(ctx, done)
}

// handleAgain repeats handling a message that a store failed until it is handled, and reports
// whether to delete it. The message stays in hand: one that is received again and again may
// run out of receives, so an outage must not take good events out of the queue.
func (c *Consumer) handleAgain(ctx context.Context, m ses.QueueMessage, err error) (handled bool) {
	for failures := 0; err != nil; failures++ {
		c.Metrics.retry(workRecord)
		c.note(ctx, err)
		if outageBackoff.Wait(ctx, failures) != nil {
			return false
		}
		if c.Queue.Postpone(ctx, m, inHand) != nil { // it is received again later
			c.Metrics.retry(workPostpone)
			return false
		}
		handled, err = c.handle(ctx, m)
	}
	return handled
}

// release leaves messages to other consumers, which may reach the store, or to a later
// batch.
func (c *Consumer) release(ctx context.Context, messages []ses.QueueMessage) {
	for _, m := range messages {
		if c.Queue.Postpone(ctx, m, delayAfter(m.Receives)) != nil {
			c.Metrics.retry(workPostpone)
		}
	}
}

// remove deletes messages from the queue.
func (c *Consumer) remove(ctx context.Context, messages []ses.QueueMessage) error {
	if len(messages) == 0 {
		return nil
	}
	err := c.Queue.Delete(context.WithoutCancel(ctx), messages)
	if err != nil {
		c.Metrics.retry(workDelete)
	}
	return err
}

// handle handles one message and reports whether to delete it. A message that is not an
// event about one of our emails stays in the queue, hidden for a while, for its redrive policy to move it
// to where an operator finds it.
func (c *Consumer) handle(ctx context.Context, m ses.QueueMessage) (handled bool, err error) {
	e, parseErr := ses.ParseEvent(m.Body, c.ConfigurationSet)
	switch {
	case errors.Is(parseErr, ses.ErrIgnored):
		c.Metrics.count("", ResultIgnored)
		return true, nil
	case errors.Is(parseErr, ses.ErrForeign):
		return false, c.leave(ctx, m, "", ResultForeign, parseErr)
	case parseErr != nil:
		return false, c.leave(ctx, m, "", ResultMalformed, parseErr)
	}
	known, err := c.record(ctx, e)
	switch {
	case isPermanent(err):
		return false, c.leave(ctx, m, e.Type, ResultRefused, err)
	case err != nil:
		return false, err
	case known.Before == email.StatusNone:
		return false, c.leave(ctx, m, e.Type, ResultNoEmail, errNoEmail)
	}
	c.report(e, known)
	return true, nil
}

// report logs and counts an event that was recorded.
func (c *Consumer) report(e email.Event, known email.Recorded) {
	logger := c.Logger.With("order", e.OrderID, "kind", e.Kind, "event", e.Type)
	if id := known.Trace.TraceID(); id != "" {
		logger = logger.With("trace_id", id)
	}
	result := ResultRecorded
	if known.Before == email.StatusUnknown {
		result = ResultSettled
		logger.Info("email settled by its event")
	}
	if e.Suppresses() {
		logger.Warn("address takes no more email", "detail", e.Detail)
	}
	c.Metrics.count(e.Type, result)
}

// isPermanent reports whether err is caused by the event or its order, and not by the state
// of a store.
func isPermanent(err error) bool {
	return errors.Is(err, streams.ErrEmailEvents) || errors.Is(err, kurrent.ErrDeleted) || errors.Is(err, fulfillment.ErrInvalid)
}

var errNoEmail = errors.New("the ledger has no such email")

// record writes the event to the ledger, then to its stream. Once begun it is finished,
// also if ctx ends.
func (c *Consumer) record(ctx context.Context, e email.Event) (email.Recorded, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	known, err := c.Ledger.RecordEmailEvent(ctx, e)
	if err != nil || known.Before == email.StatusNone {
		return known, err
	}
	return known, c.Publisher.PublishEmailEvent(ctx, e, known)
}

// leave hides a message and keeps it in the queue. If SQS cannot hide it now, it is hidden
// as long as every received message.
func (c *Consumer) leave(ctx context.Context, m ses.QueueMessage, t email.EventType, result Result, why error) error {
	c.Metrics.count(t, result)
	c.Logger.Warn("email event left in the queue", "message", m.ID, "receives", m.Receives, "result", result, "error", why)
	if err := c.Queue.Postpone(ctx, m, delayAfter(m.Receives)); err != nil {
		c.Metrics.retry(workPostpone)
	}
	return nil
}

// delayAfter returns how long a message is hidden after it was received this often.
func delayAfter(receives int) time.Duration {
	delay := shortestDelay
	for i := 1; i < receives && delay < longestDelay; i++ {
		delay *= 2
	}
	return min(delay, longestDelay)
}
