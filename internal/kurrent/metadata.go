package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// newestObject reads the last event of a stream, and the revision to expect when the next one is written. It has no fields
// if there is no event, or none that is an object: the server takes that for none, too.
func (c *Client) newestObject(ctx context.Context, stream string) (map[string]json.RawMessage, Expected, error) {
	fields, at := map[string]json.RawMessage{}, NoStream()
	err := c.read(ctx, page{stream: stream, count: 1, last: true}, func(e *kurrentdb.ResolvedEvent) error {
		newest := eventOf(e.OriginalEvent())
		at = At(newest.Revision)
		var object map[string]json.RawMessage
		if json.Unmarshal(newest.Data, &object) == nil && object != nil {
			fields = object
		}
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, at, err
	}
	return fields, at, nil
}

// writeMetadata replaces the metadata of a stream, all fields of it, if it is still at the revision it was read at. Another
// writer meanwhile is ErrWrongRevision. It returns the new revision.
func (c *Client) writeMetadata(ctx context.Context, stream string, at Expected, fields map[string]json.RawMessage) (uint64, error) {
	if fields == nil {
		fields = map[string]json.RawMessage{}
	}
	data, err := json.Marshal(fields)
	if err != nil {
		return 0, fmt.Errorf("encode the metadata of %s: %w", stream, err)
	}
	return c.Append(ctx, "$$"+stream, at, NewEvent{ID: uuid.New(), Type: "$metadata", Data: data})
}
