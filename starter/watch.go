package main

import (
	"context"
	"errors"
	"time"

	"orderflow/internal/kurrent"
)

const (
	// probeInterval is how often the server is asked about a subscription that delivers nothing.
	probeInterval = 30 * time.Second

	// inspectionInterval is how often the server is asked whether anything keeps events from the subscription.
	inspectionInterval = time.Minute

	// A subscription is left after so many probes in a row that find it wanting: one could meet an event on its way.
	silentProbes = 2

	// blindProbes is the same for a bridge that may not ask: joining anew costs little, and says as much.
	blindProbes = 10
)

// errSilent ends a session whose subscription looks alive and is not.
var errSilent = errors.New("the subscription is silent")

// watch ends a session that has fallen silent while there is something to deliver. A connection that is dead shows by
// itself, within the transport's keepalive; one that something in between keeps alive does not, nor does a server that has
// lost its consumer, and the group would wait for ever. activity says how many deliveries came, and whether any is in hand.
func (b *bridge) watch(work context.Context, activity func() (taken int64, busy bool), end context.CancelCauseFunc) {
	ticker := time.NewTicker(b.probe)
	defer ticker.Stop()
	seen, silent, blind := int64(0), 0, 0
	for {
		select {
		case <-work.Done():
			return
		case <-ticker.C:
		}
		taken, busy := activity()
		if busy || taken != seen {
			seen, silent, blind = taken, 0, 0
			continue
		}
		info, err := b.events.GroupInfo(work, b.settings.Stream, b.settings.Group)
		switch {
		case errors.Is(err, kurrent.ErrAccessDenied):
			blind++
		case err != nil: // away, or gone: the subscription will learn it by itself
		case info.Consumers > 0 && info.Lag <= info.Resting:
			silent, blind = 0, 0
		default:
			silent++
		}
		if silent >= silentProbes || blind >= blindProbes {
			end(errSilent)
			return
		}
	}
}

// inspect looks whether the subscription's stream is still filled, and ends a session whose group was changed so that it
// loses events. Without an answer nothing is known, and the subscription shows an outage by itself.
func (b *bridge) inspect(work context.Context, end context.CancelCauseFunc) {
	ticker := time.NewTicker(b.inspection)
	defer ticker.Stop()
	for {
		select {
		case <-work.Done():
			return
		case <-ticker.C:
		}
		_ = b.checkProjection(work)
		differences, err := b.events.CompareGroup(work, b.settings.group(b.concurrency))
		if err != nil {
			continue
		}
		if err := b.judgeGroup(differences); err != nil {
			end(err)
			return
		}
	}
}
