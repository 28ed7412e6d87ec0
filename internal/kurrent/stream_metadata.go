package kurrent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// ErrMalformed is returned if the server ignores the metadata of a stream, or its
// settings, because they are malformed. Writing one field would have no effect, or would
// lose the others.
var ErrMalformed error = operatorError("malformed")

// object is the newest event of a stream, a JSON object. It has no fields if there is no
// event, or one without data.
type object struct {
	fields  map[string]json.RawMessage
	at      Expected  // what the next append must expect
	written time.Time // on the server's clock
}

// newestObject reads the last event of a stream. It returns ErrMalformed if its data is
// not a JSON object.
func (c *Client) newestObject(ctx context.Context, stream string) (object, error) {
	newest := object{fields: map[string]json.RawMessage{}, at: NoStream()}
	err := c.read(ctx, page{stream: stream, count: 1, last: true}, func(e *kurrentdb.ResolvedEvent) error {
		last := eventOf(e.OriginalEvent())
		newest.at, newest.written = At(last.Revision), last.Created
		if len(last.Data) == 0 {
			return nil
		}
		var fields map[string]json.RawMessage
		if json.Unmarshal(last.Data, &fields) != nil || fields == nil {
			return fmt.Errorf("event %d of %s: %w: not a JSON object", last.Revision, stream, ErrMalformed)
		}
		newest.fields = fields
		return nil
	})
	if err != nil && !errors.Is(err, ErrNotFound) {
		return object{}, err
	}
	return newest, nil
}

// readMetadata reads the metadata of a stream. It also returns ErrMalformed if a field
// that the server knows has the wrong type: the server then ignores all fields.
func (c *Client) readMetadata(ctx context.Context, stream string) (object, error) {
	newest, err := c.newestObject(ctx, "$$"+stream)
	if err != nil {
		return object{}, err
	}
	for _, field := range []string{truncateBefore, "$maxCount", "$maxAge", "$cacheControl"} {
		if body, ok := newest.fields[field]; ok && !isInteger(body) {
			return object{}, fmt.Errorf("metadata of %s: %w: %s is not a whole number", stream, ErrMalformed, field)
		}
	}
	if body, ok := newest.fields[aclKey]; ok && !isAccessList(body) {
		return object{}, fmt.Errorf("metadata of %s: %w: %s is not an access list", stream, ErrMalformed, aclKey)
	}
	return newest, nil
}

func isInteger(body json.RawMessage) bool {
	_, err := strconv.ParseInt(string(body), 10, 64)
	return err == nil
}

// isAccessList reports whether the server can read a list. It accepts only its own
// entries, and in each a name or an array of names.
func isAccessList(body json.RawMessage) bool {
	var list accessList
	if json.Unmarshal(body, &list) != nil || list == nil {
		return false
	}
	for right := range list {
		_, readable := list.holders(Right(right))
		if !readable || !slices.Contains([]string{"$r", "$w", "$d", "$mr", "$mw"}, right) {
			return false
		}
	}
	return true
}

// writeMetadata replaces all fields of a stream's metadata, if it is still at the
// revision it was read at. It returns the new revision, or ErrWrongRevision if another
// writer changed it meanwhile.
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

// SoftlyDeleted reports whether a stream was deleted, but not permanently. A read cannot
// tell such a stream from one that never existed, but the deletion leaves a marker in the
// stream's metadata. Without the right to read the metadata, it returns false.
func (c *Client) SoftlyDeleted(ctx context.Context, stream string) (bool, error) {
	first, err := c.FirstReadable(ctx, stream)
	return first == math.MaxInt64, err
}

// FirstReadable returns the revision below which a stream's events cannot be read, although
// they may still be stored: 0 if it was neither truncated nor deleted, or without the right
// to read its metadata. An event that is appended after a soft deletion leaves those before
// it unreadable.
func (c *Client) FirstReadable(ctx context.Context, stream string) (uint64, error) {
	last, err := c.LastEvent(ctx, "$$"+stream)
	switch {
	case IsGone(err), errors.Is(err, ErrAccessDenied):
		return 0, nil
	case err != nil:
		return 0, err
	}
	var metadata struct {
		TruncateBefore uint64 `json:"$tb"`
	}
	if json.Unmarshal(last.Data, &metadata) != nil { // another program's, and none that the server obeys
		return 0, nil
	}
	return metadata.TruncateBefore, nil
}
