package load

import (
	"context"
	"slices"
	"time"
)

// NeedsMending tells whether any order came to what only an operator mends: its workflow was ended by force, or its event is
// never shown.
func (w *Load) NeedsMending() bool {
	return slices.ContainsFunc(w.all(), func(l *life) bool { return l.fate.severed || l.fate.hidden })
}

// Hides tells whether an order is one that the projection never shows: that it is missing is no fault of the starter.
func (w *Load) Hides(orderID string) bool {
	return slices.ContainsFunc(w.all(), func(l *life) bool { return l.fate.hidden && l.id == orderID })
}

// Taken waits until every event was taken and answered. It answers false when ctx ends first.
func (w *Load) Taken(ctx context.Context) bool {
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		var known resting
		if err := w.lookAtGroup(ctx, &known); err == nil && len(known.moving) == 0 {
			return true
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return false
		}
	}
}
