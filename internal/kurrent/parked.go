package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// parkedPrefix is what the server prepends to the reason that a consumer gave.
const parkedPrefix = "Client explicitly NAK'ed message.\n"

// Parked is an event that a group has parked.
type Parked struct {
	Number   uint64 // its position among all events the group ever parked, from 0
	Event    *Event // nil if it is gone from its stream
	Stream   string // the event's stream
	Revision uint64
	Reason   string    // as the consumer gave it, or the server's own
	At       time.Time // when it was parked, UTC
}

// Parked visits a group's parked events, oldest first. A group that has parked nothing,
// or does not exist, has none.
func (c *Client) Parked(ctx context.Context, stream, group string, visit func(Parked) error) error {
	return c.ParkedFrom(ctx, stream, group, 0, 0, visit)
}

// ParkedFrom visits a group's parked events from a number on: at most limit of them, or
// all if limit is 0.
func (c *Client) ParkedFrom(ctx context.Context, stream, group string, from uint64, limit int, visit func(Parked) error) error {
	request := page{stream: parkedStream(stream, group), from: from, count: limit, resolve: true}
	var visitErr error
	err := c.read(ctx, request, func(e *kurrentdb.ResolvedEvent) error {
		visitErr = visit(parkedOf(e))
		return visitErr
	})
	if visitErr == nil && errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func parkedStream(stream, group string) string {
	return "$persistentsubscription-" + stream + "::" + group + "-parked"
}

func parkedOf(e *kurrentdb.ResolvedEvent) Parked {
	link := eventOf(e.OriginalEvent())
	parked := Parked{Number: link.Revision, At: link.Created}
	if e.Link != nil {
		parked.Event = eventOf(e.Event)
	}
	parked.Stream, parked.Revision, _ = LinkTarget(*link)
	if parked.Event != nil {
		parked.Stream, parked.Revision = parked.Event.Stream, parked.Event.Revision
	}
	var note struct {
		Added  string `json:"added"`
		Reason string `json:"reason"`
	}
	_ = json.Unmarshal(link.Metadata, &note) // on error the reason is left out: the event matters more
	parked.Reason = strings.TrimPrefix(note.Reason, parkedPrefix)
	if added, err := time.Parse(time.RFC3339Nano, note.Added); err == nil {
		parked.At = added.UTC()
	}
	return parked
}
