package bridgeproperty_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/kurrent"
)

// effect is what an event leaves in the history of its workflow.
type effect int

const (
	leavesNothing   effect = iota
	mayStart               // the memo names one such event of the scenario; the others are parked
	isSignaled             // its signal is there
	isUpdated              // its update is there, once
	mayBeSignaled          // it is, unless the workflow has closed first
	mayBeUpdated           // the same for an update, and the memo may name it
	startsOrSignals        // isSignaled, and the memo may name it
	startsOrUpdates        // isUpdated, and the memo may name it
	startsRejected         // nothing but the memo, which may name it
)

// names reports whether the memo of the workflow may name the event.
func (e effect) names() bool {
	return e == mayStart || e == mayBeUpdated || e == startsOrSignals || e == startsOrUpdates || e == startsRejected
}

// event is an event to append, with the outcomes that its route allows.
type event struct {
	kurrent.NewEvent
	stream   string
	twice    bool // it is appended twice
	effect   effect
	results  []bridge.Result // that a bridge may report, besides Parked
	reason   string          // the beginning of the reason if it must end up parked; empty: it must not
	early    string          // the same for one that may be parked until what it waits for was handled
	unlinked bool            // no bridge sees it
}

func (e *event) String() string { return fmt.Sprintf("%s %s of %s", e.Type, e.ID, e.stream) }

// scenario is some events for one workflow, what Temporal holds before, and what it must
// hold after.
type scenario struct {
	name     string
	workflow string
	queue    string
	before   func(ctx context.Context, temporal client.Client) error // nil: nothing
	memo     string                                                  // of the workflow that before starts
	exists   bool                                                    // there is a workflow in the end
	foreign  bool                                                    // of another type
	events   []*event

	streamPrefix string
	random       *rand.Rand
	streams      int
}

// add adds an event, to the scenario's stream or to one of its own.
func (s *scenario) add(eventType string, data instruction, want event) *event {
	data.Workflow, data.Queue = s.workflow, s.queue
	body, err := json.Marshal(data)
	if err != nil {
		panic(err) // strings and booleans can be encoded
	}
	want.NewEvent = kurrent.NewEvent{ID: s.newID(), Type: eventType, Data: body}
	if want.stream = s.streamPrefix + "-0"; s.random.IntN(2) == 0 {
		want.stream = s.newStream()
	}
	s.events = append(s.events, &want)
	return &want
}

func (s *scenario) newStream() string {
	s.streams++
	return fmt.Sprintf("%s-%d", s.streamPrefix, s.streams)
}

// newID returns an id that follows from the seed.
func (s *scenario) newID() uuid.UUID {
	var id uuid.UUID
	for i := range id {
		id[i] = byte(s.random.UintN(256))
	}
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// some returns a number from 1 to most.
func (s *scenario) some(most int) int { return 1 + s.random.IntN(most) }

func (s *scenario) addStart() *event {
	s.exists = true
	return s.add(opened, instruction{}, event{effect: mayStart, results: []bridge.Result{bridge.Started, bridge.Duplicate}})
}

// addParked adds events of every kind that uses the workflow, all of which are parked.
func (s *scenario) addParked(reason string) {
	for _, eventType := range []string{opened, noted, called, asked}[:s.some(4)] {
		s.add(eventType, instruction{Signal: noteSignal}, event{reason: reason})
	}
}

// by starts the workflow by hand.
func (s *scenario) by(workflowType string, closed bool) {
	s.exists = true
	s.before = func(ctx context.Context, temporal client.Client) error {
		options := client.StartWorkflowOptions{ID: s.workflow, TaskQueue: s.queue}
		if s.memo != "" {
			options.Memo = map[string]any{bridge.MemoEventID: s.memo}
		}
		run, err := temporal.ExecuteWorkflow(ctx, options, workflowType)
		if err == nil && closed {
			err = temporal.TerminateWorkflow(ctx, s.workflow, run.GetRunID(), "test")
		}
		return err
	}
}
