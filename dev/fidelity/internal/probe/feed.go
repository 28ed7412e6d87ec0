package probe

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// feed is a catch-up subscription whose messages can be awaited.
type feed struct {
	messages chan *kurrentdb.SubscriptionEvent
	stop     context.CancelFunc
}

func (p *P) pump(sub *kurrentdb.Subscription, cancel context.CancelFunc) *feed {
	f := &feed{messages: make(chan *kurrentdb.SubscriptionEvent, 10_000), stop: cancel}
	go func() {
		defer close(f.messages)
		for {
			message := sub.Recv()
			f.messages <- message
			if message.SubscriptionDropped != nil {
				return
			}
		}
	}()
	p.Later(cancel)
	return f
}

// Follow subscribes to a stream.
func (p *P) Follow(stream string, options kurrentdb.SubscribeToStreamOptions) (*feed, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	sub, err := p.DB().SubscribeToStream(ctx, stream, options)
	if err != nil {
		cancel()
		return nil, err
	}
	return p.pump(sub, cancel), nil
}

// FollowAll subscribes to $all.
func (p *P) FollowAll(options kurrentdb.SubscribeToAllOptions) (*feed, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	sub, err := p.DB().SubscribeToAll(ctx, options)
	if err != nil {
		cancel()
		return nil, err
	}
	return p.pump(sub, cancel), nil
}

// take returns the messages that arrive until there is a silence of that length, or until
// enough, if not nil, returns true.
func (f *feed) take(quiet time.Duration, enough func(*kurrentdb.SubscriptionEvent) bool) (messages []*kurrentdb.SubscriptionEvent, ended string) {
	for {
		select {
		case message, open := <-f.messages:
			if !open {
				return messages, "closed"
			}
			messages = append(messages, message)
			if enough != nil && enough(message) {
				return messages, "enough"
			}
		case <-time.After(quiet):
			return messages, "silence"
		}
	}
}

// heard is take with each message in brief. It ends with the reason, unless enough
// returned true.
func (p *P) heard(f *feed, enough func(*kurrentdb.SubscriptionEvent) bool) list {
	seen := list{}
	messages, ended := f.take(p.quiet, enough)
	for _, m := range messages {
		seen = append(seen, p.message(m))
	}
	if ended != "enough" {
		seen = append(seen, ended)
	}
	return seen
}

// heardOrdered is heard for $all, where events of other probes move the checkpoints:
// consecutive checkpoints count as one, and only whether a position follows the previous
// event is recorded.
func (p *P) heardOrdered(f *feed, enough func(*kurrentdb.SubscriptionEvent) bool) list {
	seen := list{}
	var last kurrentdb.Position
	messages, ended := f.take(p.quiet, enough)
	relation := func(at kurrentdb.Position) string {
		switch {
		case last == (kurrentdb.Position{}):
			return "before any event"
		case at.Commit == last.Commit:
			return "at the last event"
		case at.Commit > last.Commit:
			return "behind the last event"
		}
		return "BEFORE the last event"
	}
	for _, m := range messages {
		var line any
		switch {
		case m.CheckPointReached != nil:
			line = "checkpoint " + relation(*m.CheckPointReached)
		case m.CaughtUp != nil && m.CaughtUp.Position != nil:
			line = "caught up " + relation(*m.CaughtUp.Position)
		case m.EventAppeared != nil && !strings.Contains(m.EventAppeared.OriginalEvent().StreamID, p.prefix):
			continue
		default:
			line = p.message(m)
		}
		if m.EventAppeared != nil {
			last = m.EventAppeared.OriginalEvent().Position
		}
		if text, ok := line.(string); ok && len(seen) > 0 && seen[len(seen)-1] == text && m.CheckPointReached != nil {
			continue
		}
		seen = append(seen, line)
	}
	if ended != "enough" {
		seen = append(seen, ended)
	}
	return seen
}

func isCaughtUp(m *kurrentdb.SubscriptionEvent) bool {
	return m.CaughtUp != nil || m.EventAppeared == nil && m.SubscriptionDropped == nil && m.CheckPointReached == nil && m.FellBehind == nil
}

// answerOf returns the server's answer, without what the client adds since v1.4.2: the
// transcript is older.
func answerOf(err error) error {
	var known *kurrentdb.Error
	if errors.As(err, &known) && known.Err() != nil {
		return known.Err()
	}
	return err
}

// message returns one message of a subscription, in brief.
func (p *P) message(m *kurrentdb.SubscriptionEvent) any {
	switch {
	case m.EventAppeared != nil:
		return p.briefly(m.EventAppeared)
	case m.SubscriptionDropped != nil:
		return obj{"dropped": p.failure(answerOf(m.SubscriptionDropped.Error))}
	case m.CheckPointReached != nil:
		return "checkpoint " + position(m.CheckPointReached.Commit, m.CheckPointReached.Prepare)
	case m.CaughtUp != nil:
		line := "caught up"
		if m.CaughtUp.StreamRevision != nil {
			line += fmt.Sprintf(" revision %d", *m.CaughtUp.StreamRevision)
		}
		if m.CaughtUp.Position != nil {
			line += " position " + position(m.CaughtUp.Position.Commit, m.CaughtUp.Position.Prepare)
		}
		return line
	case m.FellBehind != nil:
		return "fell behind"
	}
	return "a message without content" // caught up or fell behind, without a time
}
