package load

import (
	"context"
	"slices"
	"time"
)

// NeedsRepair reports whether any order needs a repair by an operator: its workflow was
// terminated, or its event is never shown.
func (w *Load) NeedsRepair() bool {
	return slices.ContainsFunc(w.all(), func(l *orderDriver) bool { return l.scenario.severed || l.scenario.hidden })
}

// Hides reports whether the projection never shows an order: if it is missing, that is no
// fault of the starter.
func (w *Load) Hides(orderID string) bool {
	return slices.ContainsFunc(w.all(), func(l *orderDriver) bool { return l.scenario.hidden && l.id == orderID })
}

// Taken waits until every event was delivered and acknowledged. It returns false if ctx
// is done first.
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
