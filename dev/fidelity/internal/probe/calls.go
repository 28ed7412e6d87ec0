package probe

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// Ev returns an event whose id belongs to the label, and whose data names the label.
func (p *P) Ev(label string) kurrentdb.EventData {
	data, _ := json.Marshal(map[string]string{"is": label})
	return kurrentdb.EventData{EventID: p.ID(label), EventType: plainType, ContentType: kurrentdb.ContentTypeJson, Data: data}
}

// Evs is Ev for several labels.
func (p *P) Evs(labels ...string) []kurrentdb.EventData {
	events := make([]kurrentdb.EventData, len(labels))
	for i, label := range labels {
		events[i] = p.Ev(label)
	}
	return events
}

// numbered returns n labels.
func numbered(name string, n int) []string {
	labels := make([]string, n)
	for i := range labels {
		labels[i] = fmt.Sprintf("%s%d", name, i)
	}
	return labels
}

func (p *P) appendTo(stream string, state kurrentdb.StreamState, events ...kurrentdb.EventData) (*kurrentdb.WriteResult, error) {
	return p.DB().AppendToStream(p.ctx, stream, kurrentdb.AppendToStreamOptions{StreamState: state}, events...)
}

// logPosition returns the position of a write in the log.
func logPosition(w *kurrentdb.WriteResult) kurrentdb.Position {
	return kurrentdb.Position{Commit: w.CommitPosition, Prepare: w.PreparePosition}
}

// Append returns the outcome of an append.
func (p *P) Append(stream string, state kurrentdb.StreamState, events ...kurrentdb.EventData) any {
	return p.within(defaultLimit, func() any {
		result, err := p.appendTo(stream, state, events...)
		if err != nil {
			return p.failure(err)
		}
		return obj{"revision": result.NextExpectedVersion, "position": position(result.CommitPosition, result.PreparePosition)}
	})
}

// Seed appends the initial events of a probe.
func (p *P) Seed(stream string, labels ...string) *kurrentdb.WriteResult {
	result, err := p.appendTo(stream, kurrentdb.Any{}, p.Evs(labels...)...)
	p.Must("seed "+stream, err)
	return result
}

// SeedOf is Seed with another type.
func (p *P) SeedOf(eventType, stream string, labels ...string) *kurrentdb.WriteResult {
	events := p.Evs(labels...)
	for i := range events {
		events[i].EventType = eventType
	}
	result, err := p.appendTo(stream, kurrentdb.Any{}, events...)
	p.Must("seed "+stream, err)
	return result
}

func (p *P) seedMetadata(stream, data string) {
	label := "meta of " + stream[max(0, len(stream)-12):] + " " + data
	event := kurrentdb.EventData{EventID: p.ID(label), EventType: "$metadata", ContentType: kurrentdb.ContentTypeJson, Data: []byte(data)}
	p.label(event.EventID, "meta")
	_, err := p.appendTo("$$"+stream, kurrentdb.Any{}, event)
	p.Must("set metadata of "+stream, err)
}

// seedLink writes a link manually.
func (p *P) seedLink(stream, label, target string) {
	event := kurrentdb.EventData{EventID: p.ID(label), EventType: "$>", ContentType: kurrentdb.ContentTypeBinary, Data: []byte(target)}
	_, err := p.appendTo(stream, kurrentdb.Any{}, event)
	p.Must("link from "+stream, err)
}

func (p *P) seedDelete(stream string) {
	_, err := p.DB().DeleteStream(p.ctx, stream, kurrentdb.DeleteStreamOptions{StreamState: kurrentdb.Any{}})
	p.Must("delete "+stream, err)
}

func (p *P) seedTombstone(stream string) {
	_, err := p.DB().TombstoneStream(p.ctx, stream, kurrentdb.TombstoneStreamOptions{StreamState: kurrentdb.Any{}})
	p.Must("tombstone "+stream, err)
}

// Delete returns the outcome of a soft deletion.
func (p *P) Delete(stream string, state kurrentdb.StreamState) any {
	result, err := p.DB().DeleteStream(p.ctx, stream, kurrentdb.DeleteStreamOptions{StreamState: state})
	if err != nil {
		return p.failure(err)
	}
	return obj{"position": position(result.Position.Commit, result.Position.Prepare)}
}

// Tombstone returns the outcome of a hard deletion.
func (p *P) Tombstone(stream string, state kurrentdb.StreamState) any {
	result, err := p.DB().TombstoneStream(p.ctx, stream, kurrentdb.TombstoneStreamOptions{StreamState: state})
	if err != nil {
		return p.failure(err)
	}
	return obj{"position": position(result.Position.Commit, result.Position.Prepare)}
}

type showEvent func(*kurrentdb.ResolvedEvent) any

// Read returns the events of a counted read in order, followed by how it ended.
func (p *P) Read(stream string, options kurrentdb.ReadStreamOptions, count uint64, show showEvent) list {
	reading, err := p.DB().ReadStream(p.ctx, stream, options, count)
	if err != nil {
		return list{p.failure(err)}
	}
	return p.drain(reading, show)
}

// ReadAll is Read of the whole log.
func (p *P) ReadAll(options kurrentdb.ReadAllOptions, count uint64, show showEvent) list {
	reading, err := p.DB().ReadAll(p.ctx, options, count)
	if err != nil {
		return list{p.failure(err)}
	}
	return p.drain(reading, show)
}

// drain returns the result of show for each event, in order and without nils, followed by
// how the read ended.
func (p *P) drain(reading *kurrentdb.ReadStream, show showEvent) (seen list) {
	defer reading.Close()
	defer func() {
		if reason := recover(); reason != nil { // the client panics on a message it does not know
			seen = append(seen, fmt.Sprint("panic: ", reason))
		}
	}()
	for {
		e, err := reading.Recv()
		if err != nil {
			return append(seen, p.failure(err))
		}
		if line := show(e); line != nil {
			seen = append(seen, line)
		}
	}
}

func forwards(from kurrentdb.StreamPosition) kurrentdb.ReadStreamOptions {
	return kurrentdb.ReadStreamOptions{Direction: kurrentdb.Forwards, From: from}
}

func backwards(from kurrentdb.StreamPosition) kurrentdb.ReadStreamOptions {
	return kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: from}
}

func resolving(options kurrentdb.ReadStreamOptions) kurrentdb.ReadStreamOptions {
	options.ResolveLinkTos = true
	return options
}

// History returns a whole stream, in brief.
func (p *P) History(stream string) list {
	return p.Read(stream, forwards(kurrentdb.Start{}), 1000, p.briefly)
}

// Metadata returns the newest metadata of a stream, as the product reads it: the last
// event of $$stream.
func (p *P) Metadata(stream string) list {
	return p.Read("$$"+stream, backwards(kurrentdb.End{}), 1, func(e *kurrentdb.ResolvedEvent) any {
		return fmt.Sprintf("@%d %s %s %s", e.Event.EventNumber, e.Event.EventType, e.Event.ContentType, p.show(e.Event.Data))
	})
}

// awaitEvents waits until a stream filled by the server holds n events, and reports
// whether it does.
func (p *P) awaitEvents(stream string, n int) bool {
	return p.Until(6*time.Second, func() bool {
		reading, err := p.DB().ReadStream(p.ctx, stream, forwards(kurrentdb.Start{}), 1000)
		if err != nil {
			return false
		}
		defer reading.Close()
		for seen := 0; ; seen++ {
			if _, err := reading.Recv(); err != nil {
				return errors.Is(err, io.EOF) && seen >= n
			}
		}
	})
}
