package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/internal/kurrent"
)

// outbox is what producers keep of the events that they append: those of each stream in
// their order, for a KurrentDB that is restored to an earlier moment. It is safe for
// concurrent use.
type outbox struct {
	appending sync.RWMutex // held for writing while producers must not append

	mu       sync.Mutex
	appended map[string][]appended // by stream
}

// appended is an event that KurrentDB has accepted.
type appended struct {
	expected kurrent.Expected
	event    kurrent.NewEvent
	at       time.Time
}

// answered reports whether an append has an outcome, so that it is not repeated.
func answered(err error) bool { return err == nil || !errors.Is(err, kurrent.ErrUnavailable) }

func newOutbox() *outbox { return &outbox{appended: map[string][]appended{}} }

// append appends an event once, and keeps it.
func (o *outbox) append(ctx context.Context, events *kurrent.Client, stream string, expected kurrent.Expected, event kurrent.NewEvent) error {
	o.appending.RLock()
	defer o.appending.RUnlock()
	if _, err := events.Append(ctx, stream, expected, event); err != nil {
		return err
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.appended[stream] = append(o.appended[stream], appended{expected, event, time.Now()})
	return nil
}

// since returns the events that were accepted at a moment or later.
func (o *outbox) since(at time.Time) map[string][]appended {
	o.mu.Lock()
	defer o.mu.Unlock()
	found := map[string][]appended{}
	for stream, all := range o.appended {
		for _, a := range all {
			if !a.at.Before(at) {
				found[stream] = append(found[stream], a)
			}
		}
	}
	return found
}

// HoldProducers makes every producer wait with its next event until release is called.
func (w *Load) HoldProducers() (release func()) {
	w.outbox.appending.Lock()
	return w.outbox.appending.Unlock
}

// AppendAgain appends the events once more that KurrentDB accepted since a moment, with
// the same ids and at the same revisions, as producers have to do after it was restored to
// that moment. Call it while they are held.
func (w *Load) AppendAgain(ctx context.Context, since time.Time) (sent int, err error) {
	var group errgroup.Group
	group.SetLimit(lookAtOnce)
	for stream, lost := range w.outbox.since(since) {
		sent += len(lost)
		l := &orderDriver{placement: placement{id: stream}, stores: w.options.Stores}
		group.Go(func() error {
			for _, a := range lost {
				err := l.retryUntilDone(ctx, "append again", func(ctx context.Context) (bool, error) {
					_, err := l.stores.Events.Append(ctx, stream, a.expected, a.event)
					return answered(err), err
				})
				if err != nil {
					return err
				}
			}
			return nil
		})
	}
	return sent, group.Wait()
}
