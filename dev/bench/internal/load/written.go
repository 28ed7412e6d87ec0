package load

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/kurrent"
)

// Written is the events of some streams, as the server wrote them.
type Written struct {
	Count       int
	First, Last time.Time
	End         kurrent.Position // of the log; later events are after it
}

// Rate returns events per second from the first to the last.
func (w Written) Rate() float64 { return float64(w.Count-1) / w.Last.Sub(w.First).Seconds() }

// ReadWritten reads when the events after a position of streams with a prefix were
// written.
func ReadWritten(ctx context.Context, events *kurrent.Client, prefix string, after kurrent.Position) (Written, error) {
	var w Written
	w.End = after
	err := events.Follow(ctx, kurrent.Follow{Prefixes: []string{prefix}, After: after}, func(s kurrent.Step) error {
		if s.Position != (kurrent.Position{}) {
			w.End = s.Position
		}
		if s.Event != nil {
			if w.Count == 0 {
				w.First = s.Event.Created
			}
			w.Last = s.Event.Created
			w.Count++
		}
		if s.CaughtUp {
			return errCaughtUp
		}
		return nil
	})
	if !errors.Is(err, errCaughtUp) {
		return Written{}, fmt.Errorf("read what was written: %w", err)
	}
	return w, nil
}

var errCaughtUp = errors.New("caught up")
