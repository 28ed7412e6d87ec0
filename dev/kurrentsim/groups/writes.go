package groups

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

const checkpointType = "$SubscriptionCheckpoint"

// background runs a write outside the group's goroutine, then calls then in the group,
// unless the group has ended.
func (g *group) background(write func() error, then func(error)) {
	g.writes.Go(func() {
		err := write()
		select {
		case g.commands <- func() { then(err) }:
		case <-g.done:
		}
	})
}

// checkpoint writes the checkpoint if one is due and none is being written.
func (g *group) checkpoint(atTick bool) {
	if g.checkpointing {
		return
	}
	place, due := g.engine.Checkpoint(g.now(), atTick)
	if !due {
		return
	}
	g.checkpointing = true
	event := store.NewEvent{
		ID: uuid.New(), Type: checkpointType, JSON: true, Data: strconv.AppendQuote(nil, g.key.place(place)),
	}
	g.background(func() error {
		_, err := g.events.Append(g.key.checkpointStream(), store.Any, []store.NewEvent{event})
		return err
	}, func(err error) {
		g.checkpointing = false
		if err != nil {
			g.logger.Error("write checkpoint", "error", err) // a later checkpoint covers it
		}
	})
}

func loadCheckpoint(events *store.Store, key Key) (int64, error) {
	record, ok, err := events.Newest(key.checkpointStream())
	if err != nil || !ok {
		return subscription.None, err
	}
	var text string
	if err := json.Unmarshal(record.Data, &text); err != nil {
		return 0, fmt.Errorf("decode checkpoint of %s: %w", key, err)
	}
	place, err := key.parsePlace(text)
	if err != nil {
		return 0, fmt.Errorf("decode checkpoint of %s: %w", key, err)
	}
	return place, nil
}

// parkedMetadata is the metadata of a parked message, in a real server's format.
type parkedMetadata struct {
	Added  string `json:"added"` // formatted with addedLayout
	Reason string `json:"reason"`
	Number int64  `json:"subscriptionEventNumber,omitempty"`
}

const addedLayout = "2006-01-02T15:04:05.9999999+00:00"

func (m parkedMetadata) encode() ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(m)
	return bytes.TrimSuffix(text.Bytes(), []byte("\n")), err
}

// park writes the messages to be parked in one append, unless such a write is in
// progress.
func (g *group) park() {
	if g.parking {
		return
	}
	taken := g.engine.TakeParked()
	if len(taken) == 0 {
		return
	}
	g.parking = true
	links := make([]store.NewEvent, len(taken))
	for i, p := range taken {
		links[i] = g.parkedLink(p)
	}
	var written store.Written
	g.background(func() error {
		var err error
		written, err = g.events.Append(g.key.parkedStream(), store.Any, links)
		return err
	}, func(err error) {
		g.parking = false
		if err == nil {
			g.parked.last = written.Revision
		}
		if err != nil {
			g.logger.Error("park messages", "error", err) // the next step tries again
		}
		g.engine.Parked(taken, err == nil)
	})
}

func (g *group) parkedLink(p subscription.Parking) store.NewEvent {
	original := p.Message.Event.Original()
	target := original.Data // a link whose target is gone is parked unchanged
	if event := p.Message.Event.Event; event != nil {
		target = fmt.Appendf(nil, "%d@%s", event.Revision, event.Stream)
	}
	metadata, err := parkedMetadata{Added: g.now().UTC().Format(addedLayout), Reason: p.Reason, Number: original.Revision}.encode()
	if err != nil { // plain fields always marshal
		metadata = nil
	}
	return store.NewEvent{ID: uuid.New(), Type: store.TypeLink, Data: target, Metadata: metadata}
}
