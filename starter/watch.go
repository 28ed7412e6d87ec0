package main

import (
	"context"
	"errors"
	"time"

	"orderflow/internal/kurrent"
)

const (
	// probeInterval is how often the bridge asks the server about a subscription that
	// delivers nothing.
	probeInterval = 30 * time.Second

	// inspectionInterval is how often the bridge asks the server whether anything keeps
	// events from the subscription.
	inspectionInterval = time.Minute

	// silentProbes is how many failed probes in a row end a session. A single one may
	// race with an event in transit.
	silentProbes = 2

	// blindProbes is the same limit for a bridge that may not ask. Joining again costs
	// little and shows as much.
	blindProbes = 10
)

// errSilent ends a session whose subscription looks alive and delivers nothing.
var errSilent = errors.New("the subscription is silent")

// watch ends a session that has fallen silent while there are events to deliver. The
// transport's keepalive detects a dead connection. It does not detect one that a proxy
// keeps alive, nor a server that has lost its consumer, and the group would be stuck.
// activity returns how many deliveries have arrived and reports whether any is in hand.
func (b *bridge) watch(work context.Context, activity func() (taken int64, busy bool), end context.CancelCauseFunc) {
	ticker := time.NewTicker(b.probeEvery)
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
		case err != nil: // the server is down or the group deleted: the subscription itself will fail
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

// inspect checks regularly whether the subscription's stream is still filled. It ends the
// session if the group was changed so that it loses events. It ignores failed checks: the
// subscription itself detects an outage.
func (b *bridge) inspect(work context.Context, end context.CancelCauseFunc) {
	ticker := time.NewTicker(b.inspectEvery)
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
