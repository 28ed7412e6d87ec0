package bridgeproperty_test

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/dev/faultproxy"
)

const (
	// maxFault is how long a fault lasts at most after the events of its step are appended.
	maxFault = 3 * time.Second

	mostReplayed = 30 // at a step

	shortTimeout = 2 * time.Second // events are redelivered while a bridge still holds them
	longTimeout  = 20 * time.Second
)

// fault is something that goes wrong while events are appended.
type fault struct {
	name         string
	changesGroup bool // so the server forgets replayed events that no bridge has acknowledged
	begin, end   func()
}

// appendUnderFaults appends the events step by step, each with another fault. After each
// fault it waits until the bridges have handled most of what was appended so far.
func (r *rig) appendUnderFaults(order []*event) {
	r.Helper()
	steps := 8 + len(order)/100
	size := (len(order) + steps - 1) / steps
	for first := 0; first < len(order); first += size {
		last := min(first+size, len(order))
		f, handled := r.fault(), func() {}
		if r.random.IntN(4) == 0 && !f.changesGroup {
			handled = r.replay(order[:first], mostReplayed)
		}
		lasts := time.Duration(r.random.Int64N(int64(maxFault)))
		r.Logf("events %d to %d: %s for %s", first, last-1, f.name, lasts.Round(time.Millisecond))
		f.begin()
		for _, e := range order[first:last] {
			r.append(e)
		}
		<-time.After(lasts)
		f.end()
		handled()
		r.awaitHandled(order[:last], size/2)
	}
}

func (r *rig) fault() fault {
	victims := r.someBridges()
	switch r.random.IntN(6) {
	case 0:
		return r.crash(victims)
	case 1:
		return r.stop(victims)
	case 2:
		return r.changeTimeout()
	default:
		return r.outage(victims)
	}
}

// someBridges returns one bridge, or all of them.
func (r *rig) someBridges() []*bridgeProcess {
	if r.random.IntN(2) == 0 {
		return r.bridges
	}
	return []*bridgeProcess{r.bridges[r.random.IntN(len(r.bridges))]}
}

// outage takes a server or both away from the bridges.
func (r *rig) outage(victims []*bridgeProcess) fault {
	var proxies []*faultproxy.Proxy
	server := []string{"KurrentDB", "Temporal", "both servers"}[r.random.IntN(3)]
	for _, b := range victims {
		if server != "Temporal" {
			proxies = append(proxies, b.kurrentdb)
		}
		if server != "KurrentDB" {
			proxies = append(proxies, b.temporal)
		}
	}
	kinds := []struct {
		name  string
		begin func(*faultproxy.Proxy)
	}{
		{"refused", (*faultproxy.Proxy).Refuse},
		{"reset", (*faultproxy.Proxy).Reset},
		{"cut once", (*faultproxy.Proxy).Cut},
		{"stalled", func(p *faultproxy.Proxy) { p.Stall() }},
		{"without responses", func(p *faultproxy.Proxy) { p.Stall(faultproxy.Downstream) }},
		{"stalled until a reconnect", (*faultproxy.Proxy).StallOpen},
	}
	kind, cut := kinds[r.random.IntN(len(kinds))], r.random.IntN(2) == 0
	return fault{
		name:  fmt.Sprintf("connections of %d bridges to %s %s", len(victims), server, kind.name),
		begin: func() { each(proxies, kind.begin) },
		end: func() {
			if cut { // what is stalled never arrives
				each(proxies, (*faultproxy.Proxy).Cut)
			}
			each(proxies, (*faultproxy.Proxy).Resume)
		},
	}
}

func each[T any](all []T, do func(T)) {
	for _, one := range all {
		do(one)
	}
}

// crash kills bridges that have events in hand, for Temporal does not respond to them. In
// half of the cases what they sent still arrives.
func (r *rig) crash(victims []*bridgeProcess) fault {
	cut := r.random.IntN(2) == 0
	return fault{
		name:  fmt.Sprintf("%d bridges crash", len(victims)),
		begin: func() { each(victims, func(b *bridgeProcess) { b.temporal.Stall() }) },
		end: func() {
			each(victims, func(b *bridgeProcess) {
				b.kill()
				if cut {
					b.temporal.Cut()
				}
				b.temporal.Resume()
				b.start()
			})
		},
	}
}

func (r *rig) stop(victims []*bridgeProcess) fault {
	return fault{
		name:  fmt.Sprintf("%d bridges stop", len(victims)),
		begin: func() { each(victims, (*bridgeProcess).stop) },
		end:   func() { each(victims, (*bridgeProcess).start) },
	}
}

// changeTimeout makes the server drop its consumers and deliver again what they hold.
func (r *rig) changeTimeout() fault {
	timeout := []time.Duration{shortTimeout, longTimeout}[r.random.IntN(2)]
	return fault{
		name:         fmt.Sprintf("the group's message timeout becomes %s", timeout),
		changesGroup: true,
		begin:        func() { r.setTimeout(timeout) },
		end:          func() {},
	}
}

func (r *rig) setTimeout(timeout time.Duration) {
	r.Helper()
	s := r.settings.subscription()
	s.MessageTimeout = timeout
	require.NoError(r, r.bridged.UpdateGroup(r.Context(), s))
}

// replay replays the oldest parked events, unless no bridge takes them. It returns a
// function that waits until each has had another outcome and the group is idle.
func (r *rig) replay(appended []*event, most uint64) (handled func()) {
	r.Helper()
	parked := r.bridged.Parked(r.settings.Stream, r.settings.Group)
	selected, err := parked.Select(r.Context())
	if err == nil && selected.Len() > most {
		selected, err = selected.Until(selected.First + most - 1)
	}
	before := map[string]int{}
	if err == nil {
		r.outcomes.read()
		for key := range r.parkedUntil(selected.Last) {
			before[key] = len(r.outcomes.of[key])
		}
		err = parked.Replay(r.Context(), selected)
	}
	if errors.Is(err, bridge.ErrNotParked) || errors.Is(err, bridge.ErrNoConsumer) {
		return func() {}
	}
	require.NoError(r, err)
	r.Logf("%d events replayed", len(before))
	again := func() bool {
		r.outcomes.read()
		maps.DeleteFunc(before, func(key string, count int) bool { return len(r.outcomes.of[key]) > count })
		return len(before) == 0
	}
	return func() {
		r.Helper()
		r.await(again, func() string {
			return fmt.Sprintf("replayed, and no outcome since: %v", slices.Collect(maps.Keys(before)))
		})
		r.settle(appended)
	}
}

// settle waits until all events that were appended are handled and the group is idle.
func (r *rig) settle(appended []*event) {
	r.Helper()
	r.awaitHandled(appended, 0)
	r.await(r.idle, func() string { return "the group never becomes idle" })
}

// awaitHandled waits until all but some of the appended events have an outcome. It does not
// wait for an event that is lost, as one without outcome is once the group has been idle
// for longer than an acknowledgment takes.
func (r *rig) awaitHandled(appended []*event, left int) {
	r.Helper()
	const lost = 5 * time.Second
	busy := time.Now()
	var without []*event
	r.await(func() bool {
		r.outcomes.read()
		if without = r.outcomes.without(appended); len(without) <= left {
			return true
		}
		if !r.idle() {
			busy = time.Now()
		}
		return time.Since(busy) > lost
	}, func() string { return fmt.Sprintf("the bridges do not go on: no outcome of %v", without) })
}

// idle reports whether the group has nothing to deliver and nothing in flight.
func (r *rig) idle() bool {
	r.Helper()
	info, err := r.events.GroupInfo(r.Context(), r.settings.Stream, r.settings.Group)
	require.NoError(r, err)
	return info.CaughtUp() && info.InFlight == 0
}

// newRandom returns the generator of a test. Tests with the same seed draw differently.
func newRandom(test uint64) *rand.Rand { return rand.New(rand.NewPCG(usedSeed(), test)) }
