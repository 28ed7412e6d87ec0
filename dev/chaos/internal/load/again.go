package load

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
)

// message is one that Temporal alone has accepted: a restored Temporal knows nothing of
// it, and no other store has a copy.
type message struct {
	name    string // empty for a native cancellation
	content any
	at      time.Time // when it was accepted
}

// remember records a message that was accepted.
func (l *orderDriver) remember(name string, content any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.messages = append(l.messages, message{name: name, content: content, at: time.Now()})
}

// SendAgain sends the messages once more that Temporal accepted since a moment, as the
// senders have to do after it was restored to that moment. A message that has had its
// effect has none again. It waits for workflows that are missing until they are started.
func (w *Load) SendAgain(ctx context.Context, since time.Time) (sent int, err error) {
	w.forgot.Store(true)
	var group errgroup.Group
	group.SetLimit(lookAtOnce)
	for _, l := range w.all() {
		l.mu.Lock()
		lost := slices.DeleteFunc(slices.Clone(l.messages), func(m message) bool { return m.at.Before(since) })
		l.mu.Unlock()
		sent += len(lost)
		group.Go(func() error { return l.sendAgain(ctx, lost) })
	}
	return sent, group.Wait()
}

// sendAgain sends messages in their order. What was an update is sent as a signal: its
// sender already has a response.
func (l *orderDriver) sendAgain(ctx context.Context, lost []message) error {
	for _, m := range lost {
		err := l.retryUntilDone(ctx, "send again "+m.name, func(ctx context.Context) (bool, error) {
			if m.name == "" {
				return l.over(ctx, l.stores.Temporal.CancelWorkflow(ctx, l.id, "")), nil
			}
			return l.over(ctx, l.stores.Temporal.SignalWorkflow(ctx, l.id, "", m.name, m.content)), nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}
