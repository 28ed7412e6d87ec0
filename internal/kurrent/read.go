package kurrent

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// A stream is read in pages of pageEvents events, or fewer if they are big. Each page is
// a call with its own deadline, and is in memory as a whole before the first of its
// events is visited.
const (
	pageEvents = 256
	pageBytes  = 4 << 20
)

// ReadStream visits the events of a stream in order, from revision from on: at most limit
// of them, or all if limit is 0. It stops at visit's first error and returns it. A nil
// error means that every existing event has been visited: an interrupted read is an
// error, never a short history. It returns ErrNotFound if the stream does not exist.
func (c *Client) ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(Event) error) error {
	return c.readStream(ctx, page{stream: stream, from: from, count: limit}, visit)
}

// ReadEvent reads one event. It returns ErrNotFound if the stream has no event at that
// revision, or no longer has it.
func (c *Client) ReadEvent(ctx context.Context, stream string, revision uint64) (Event, error) {
	return c.readEvent(ctx, page{stream: stream, from: revision, count: 1})
}

// Leader reads from the node that leads now: each call uses a new connection. Every call
// of a Client asks for the leading node, but a node that led until a moment ago and does
// not know yet still responds on its existing connections. So what seems to be missing
// should be read again from the leader before it is taken as missing.
type Leader struct{ client *Client }

// Leader returns a reader of the leading node.
func (c *Client) Leader() Leader { return Leader{c} }

// ReadStream is Client.ReadStream on the leading node.
func (l Leader) ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(Event) error) error {
	return l.client.readStream(ctx, page{stream: stream, from: from, count: limit, leader: true}, visit)
}

// ReadEvent is Client.ReadEvent on the leading node.
func (l Leader) ReadEvent(ctx context.Context, stream string, revision uint64) (Event, error) {
	return l.client.readEvent(ctx, page{stream: stream, from: revision, count: 1, leader: true})
}

// ReadLinkTarget reads the event that link points to. It may be readable again since the
// link was delivered without it. ReadLinkTarget returns ErrNotFound or ErrDeleted if the
// event is gone, and ErrInvalid if link is not a link.
func (c *Client) ReadLinkTarget(ctx context.Context, link Event) (Event, error) {
	stream, revision, ok := LinkTarget(link)
	if !ok {
		return Event{}, fmt.Errorf("%w: event %d of %s is not a link", ErrInvalid, link.Revision, link.Stream)
	}
	event, err := c.ReadEvent(ctx, stream, revision)
	if IsGone(err) {
		return c.Leader().ReadEvent(ctx, stream, revision)
	}
	return event, err
}

// LastEvent reads the newest event of a stream. It returns ErrNotFound or ErrDeleted if
// there is none.
func (c *Client) LastEvent(ctx context.Context, stream string) (Event, error) {
	var found *Event
	err := c.read(ctx, page{stream: stream, count: 1, last: true}, func(e *kurrentdb.ResolvedEvent) error {
		found = eventOf(e.Event)
		return nil
	})
	if err == nil && found == nil {
		err = fmt.Errorf("read the end of %s: %w", stream, ErrNotFound)
	}
	if err != nil {
		return Event{}, err
	}
	return *found, nil
}

func (c *Client) readStream(ctx context.Context, request page, visit func(Event) error) error {
	return c.read(ctx, request, func(e *kurrentdb.ResolvedEvent) error { return visit(*eventOf(e.Event)) })
}

func (c *Client) readEvent(ctx context.Context, one page) (Event, error) {
	var found *Event
	err := c.read(ctx, one, func(e *kurrentdb.ResolvedEvent) error {
		found = eventOf(e.Event)
		return nil
	})
	if err != nil {
		return Event{}, err
	}
	if found == nil || found.Revision != one.from { // after a truncated or expired part the server returns the next event
		return Event{}, fmt.Errorf("read %s at %d: %w", one.stream, one.from, ErrNotFound)
	}
	return *found, nil
}

// page is what one call reads: count events of a stream, from revision from on. In a
// request to read, count 0 means all.
type page struct {
	stream  string
	from    uint64
	count   int
	resolve bool // return links with the event they point to
	last    bool // only the last event: count is 1, and from is unused
	leader  bool // use a new connection to the leading node: see Client.callLeader
}

func (c *Client) read(ctx context.Context, request page, visit func(*kurrentdb.ResolvedEvent) error) error {
	next, left := request, request.count
	call := c.call
	if request.leader {
		call = c.callLeader
	}
	for {
		next.count = pageEvents
		if request.count > 0 {
			next.count = min(pageEvents, left)
		}
		var events []*kurrentdb.ResolvedEvent
		var more bool
		err := c.callOnStream(ctx, request.stream, call, func(ctx context.Context, client *kurrentdb.Client) (err error) {
			events, more, err = readPage(ctx, client, next)
			return err
		})
		if err != nil {
			return fmt.Errorf("read %s at %d: %w", next.stream, next.from, err)
		}
		for _, e := range events {
			if err := visit(e); err != nil {
				return err
			}
		}
		left -= len(events)
		if !more || request.count > 0 && left <= 0 {
			return nil
		}
		next.from = events[len(events)-1].OriginalEvent().EventNumber + 1
	}
}

// readPage reads one page. It reports more unless it saw the end of the stream.
func readPage(ctx context.Context, client *kurrentdb.Client, p page) (events []*kurrentdb.ResolvedEvent, more bool, err error) {
	options := kurrentdb.ReadStreamOptions{From: kurrentdb.Revision(p.from), ResolveLinkTos: p.resolve}
	if p.last {
		options.Direction, options.From = kurrentdb.Backwards, kurrentdb.End{}
	}
	reading, err := client.ReadStream(ctx, p.stream, options, uint64(p.count))
	if err != nil {
		return nil, false, err
	}
	events, ended, err := receivePage(reading)
	return events, err == nil && (!ended || len(events) == p.count), err
}

// receivePage receives events until the read ends or the page is full.
func receivePage(reading *kurrentdb.ReadStream) (events []*kurrentdb.ResolvedEvent, ended bool, err error) {
	defer reading.Close()
	for size := 0; size < pageBytes; {
		e, err := reading.Recv()
		if errors.Is(err, io.EOF) {
			return events, true, nil
		}
		if err != nil {
			return nil, false, err
		}
		events = append(events, e)
		size += sizeOf(e)
	}
	return events, false, nil
}

func sizeOf(e *kurrentdb.ResolvedEvent) int {
	size := 0
	for _, recorded := range []*kurrentdb.RecordedEvent{e.Event, e.Link} {
		if recorded != nil {
			size += len(recorded.Data) + len(recorded.UserMetadata)
		}
	}
	return size
}
