package bridgeproperty_test

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"orderflow/bridge"
)

// kind is a kind of scenario.
type kind struct {
	name   string
	worked bool // a worker hosts the workflow
	fill   func(s *scenario)
}

func kinds() []kind {
	return []kind{
		{"a start", false, started},
		{"starts by several events", false, contested},
		{"a start by hand for the event", false, startedByHand},
		{"signals, perhaps before the start", false, signaled},
		{"a signal without a workflow", false, orphaned},
		{"signals that start", false, signaledWithStart},
		{"updates that start", true, updatedWithStart},
		{"a workflow that closes meanwhile", true, closing},
		{"a closed workflow", false, closed},
		{"a workflow of another type", false, foreign},
		{"events that mean nothing", false, ignored},
		{"data that cannot be decoded", false, undecodable},
		{"a route that panics", false, panicking},
		{"a start that needs another stream", false, needed},
		{"a start that needs a stream that never comes", false, neverNeeded},
	}
}

func started(s *scenario) {
	e := s.addStart()
	switch s.random.IntN(3) {
	case 0:
		e.stream, e.twice = s.newStream(), true
	case 1: // the same event in another stream is no other event
		copied := *e
		copied.stream = s.newStream()
		s.events = append(s.events, &copied)
		e.stream = s.newStream()
	}
}

func contested(s *scenario) {
	for range 1 + s.some(3) {
		s.addStart()
	}
}

func startedByHand(s *scenario) {
	e := s.addStart()
	e.results = []bridge.Result{bridge.Duplicate}
	s.memo = e.ID.String()
	s.by(subjectWorkflow, s.random.IntN(2) == 0)
}

func signaled(s *scenario) {
	s.addStart()
	for range s.some(4) {
		s.add(noted, instruction{Signal: noteSignal},
			event{effect: isSignaled, results: []bridge.Result{bridge.Signalled}, early: bridge.ReasonNoWorkflow})
	}
}

func orphaned(s *scenario) {
	s.add(noted, instruction{Signal: noteSignal}, event{reason: bridge.ReasonNoWorkflow + ": there is no workflow to signal"})
}

func signaledWithStart(s *scenario) {
	s.exists = true
	for range s.some(4) {
		s.add(called, instruction{Signal: noteSignal}, event{effect: startsOrSignals, results: []bridge.Result{bridge.Signalled}})
	}
	if s.random.IntN(2) == 0 {
		s.addStart()
	}
}

func updatedWithStart(s *scenario) {
	s.exists = true
	for range s.some(4) {
		s.add(asked, instruction{}, event{effect: startsOrUpdates, results: []bridge.Result{bridge.Updated}})
	}
	if s.random.IntN(2) == 0 {
		s.add(asked, instruction{Refuse: true}, event{effect: startsRejected, reason: bridge.ReasonRejected + ": " + refused})
	}
}

func closing(s *scenario) {
	s.addStart()
	late := []bridge.Result{bridge.Signalled, bridge.Late}
	for range s.some(3) {
		s.add(noted, instruction{Signal: noteSignal}, event{effect: mayBeSignaled, results: late, early: bridge.ReasonNoWorkflow})
	}
	s.add(noted, instruction{Signal: closeSignal}, event{effect: isSignaled, results: late, early: bridge.ReasonNoWorkflow})
	if s.random.IntN(2) == 0 {
		s.add(asked, instruction{}, event{effect: mayBeUpdated, results: []bridge.Result{bridge.Updated, bridge.Late}})
	}
}

func closed(s *scenario) {
	s.by(subjectWorkflow, true)
	for _, eventType := range []string{noted, called, asked}[:s.some(3)] {
		s.add(eventType, instruction{Signal: noteSignal}, event{results: []bridge.Result{bridge.Late}})
	}
	if s.random.IntN(2) == 0 {
		reason := fmt.Sprintf("%s: workflow %s was started for event unknown", bridge.ReasonAlreadyStarted, s.workflow)
		s.add(opened, instruction{}, event{reason: reason})
	}
}

func foreign(s *scenario) {
	s.foreign = true
	s.by(foreignWorkflow, s.random.IntN(2) == 0)
	s.addParked(fmt.Sprintf("%s: %s is a workflow of type %s, not %s", bridge.ReasonForeignWorkflow, s.workflow, foreignWorkflow, subjectWorkflow))
}

func ignored(s *scenario) {
	for _, eventType := range []string{skipped, unknown}[:s.some(2)] {
		s.add(eventType, instruction{}, event{results: []bridge.Result{bridge.Ignored}})
	}
}

func undecodable(s *scenario) {
	eventType := []string{opened, noted, called, asked, fragile}[s.random.IntN(5)]
	e := s.add(eventType, instruction{Signal: noteSignal}, event{})
	switch s.random.IntN(3) {
	case 0:
		e.Data, e.reason = []byte("[]"), bridge.ReasonInvalid+": data: must not be of type array"
	case 1:
		e.Binary, e.reason = true, bridge.ReasonInvalid+": the content type is not application/json"
	default: // the server cannot parse it, and leaves it out of the category
		e.Data, e.unlinked = []byte(`{"workflow":`), true
	}
}

func panicking(s *scenario) {
	s.exists = true
	s.add(fragile, instruction{}, event{effect: mayStart, results: []bridge.Result{bridge.Started, bridge.Duplicate}})
	s.add(fragile, instruction{Panic: true}, event{reason: bridge.ReasonRoute + ": the route of " + fragile + " panicked"})
}

func needed(s *scenario) {
	s.exists = true
	other := s.add(skipped, instruction{}, event{results: []bridge.Result{bridge.Ignored}})
	other.stream = s.newStream()
	s.add(needing, instruction{Needs: other.stream},
		event{effect: mayStart, results: []bridge.Result{bridge.Started, bridge.Duplicate}, early: missing})
}

func neverNeeded(s *scenario) {
	s.add(needing, instruction{Needs: s.newStream()}, event{reason: missing + ": the stream does not exist"})
}

// spread is how far the events of a scenario may move apart.
const spread = 40

// generate returns scenarios with n events or a few more, and the order of their events.
func generate(random *rand.Rand, category string, n int) (all []*scenario, order []*event) {
	at := map[*event]int{}
	for len(order) < n {
		k := kinds()[random.IntN(len(kinds()))]
		s := &scenario{
			name: k.name, workflow: fmt.Sprintf("%s/%d", category, len(all)), queue: idleQueue(category),
			streamPrefix: fmt.Sprintf("%s-%d", category, len(all)), random: random,
		}
		if k.worked {
			s.queue = workedQueue(category)
		}
		k.fill(s)
		all = append(all, s)
		for _, e := range s.events {
			at[e] = len(order) + random.IntN(spread)
		}
		order = append(order, s.events...)
	}
	slices.SortStableFunc(order, func(a, b *event) int { return at[a] - at[b] })
	return all, order
}

func idleQueue(category string) string   { return category + "-idle" } // no worker polls it
func workedQueue(category string) string { return category + "-worked" }
