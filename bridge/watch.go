package bridge

import (
	"context"
	"errors"
	"time"

	"orderflow/internal/kurrent"
)

const (
	// silentProbes is how many failed probes in a row end a session.
	silentProbes = 2

	// deniedProbes is the same limit for a bridge that may not ask. Joining again costs
	// little and shows as much.
	deniedProbes = 10
)

// watch ends a session that has fallen silent while there are events to deliver: otherwise
// the group would be stuck. activity returns how many deliveries have arrived and reports
// whether any is in hand.
func (b *Bridge) watch(work context.Context, activity func() (taken int64, busy bool), end context.CancelCauseFunc) {
	seen := int64(0)
	watch := kurrent.Watch{Every: b.o.ProbeInterval, MaxSilent: silentProbes, MaxDenied: deniedProbes}
	err := watch.Run(work, func(ctx context.Context) kurrent.Finding {
		taken, busy := activity()
		if busy || taken != seen {
			seen = taken
			return kurrent.Delivering
		}
		return b.probe(ctx)
	})
	if err != nil {
		end(err)
	}
}

// probe asks the server about a subscription that delivers nothing.
func (b *Bridge) probe(ctx context.Context) kurrent.Finding {
	info, err := b.events.GroupInfo(ctx, b.o.Subscription.Stream, b.o.Subscription.Group)
	switch {
	case errors.Is(err, kurrent.ErrAccessDenied):
		return kurrent.Denied
	case err != nil: // the server is down or the group deleted: the subscription itself will fail
		return kurrent.Unclear
	case info.Consumers > 0 && info.CaughtUp():
		return kurrent.Delivering
	default:
		return kurrent.Silent
	}
}

// inspect checks regularly whether the subscription's stream is still filled. It ends the
// session if the group was changed so that it loses events. It ignores failed checks: the
// subscription itself detects an outage.
func (b *Bridge) inspect(work context.Context, end context.CancelCauseFunc) {
	ticker := time.NewTicker(b.o.InspectInterval)
	defer ticker.Stop()
	for {
		select {
		case <-work.Done():
			return
		case <-ticker.C:
		}
		_ = b.checkProjection(work)
		differences, err := b.events.CompareGroup(work, b.group())
		if err != nil {
			continue
		}
		if err := b.checkGroup(differences); err != nil {
			end(err)
			return
		}
	}
}
