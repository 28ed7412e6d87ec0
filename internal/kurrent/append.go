package kurrent

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// MaxAppendBytes is how many bytes every server accepts in one append, counted as by
// NewEvent.Size. Callers split what may be split. A larger append fails with ErrTooLarge,
// unless the server is known to accept more.
const MaxAppendBytes = 1 << 20

const (
	// moreAppendBytes is the limit for servers from 25.1 on, which accept messages of up
	// to 16 MiB.
	moreAppendBytes = 15 << 20
	maxAppendEvents = 1000
)

// Append writes events to a stream, all or none, if the stream is at the expected
// revision. It returns the revision of the last event. With NoStream or At, repeating the
// same append returns the same result and writes nothing. After ErrUnavailable it is not
// known whether the events were written: repeat the same append, or read. After
// ErrTooLarge nothing was written.
func (c *Client) Append(ctx context.Context, stream string, expected Expected, events ...NewEvent) (lastRevision uint64, err error) {
	proposed, size, err := proposals(events)
	if err == nil {
		lastRevision, err = c.append(ctx, stream, expected, proposed, size)
	}
	if errors.Is(err, errCutOff) && size > MaxAppendBytes {
		// A server that finds the append too large closes the connection, and so does one
		// that fails. Only the first does it again.
		lastRevision, err = c.append(ctx, stream, expected, proposed, size)
		if errors.Is(err, errCutOff) {
			err = fmt.Errorf("%w: the server cut off %d bytes twice", ErrTooLarge, size)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	return lastRevision, nil
}

func (c *Client) append(
	ctx context.Context, stream string, expected Expected, proposed []kurrentdb.EventData, size int,
) (lastRevision uint64, err error) {
	limit := MaxAppendBytes
	err = c.callOnStream(ctx, stream, c.call, func(ctx context.Context, client *kurrentdb.Client) (err error) {
		if size > limit {
			limit, err = appendLimit(client)
		}
		if err != nil || size > limit {
			return err
		}
		options := kurrentdb.AppendToStreamOptions{StreamState: expected.state()}
		result, err := client.AppendToStream(ctx, stream, options, proposed...)
		if err == nil {
			lastRevision = result.NextExpectedVersion
		}
		return err
	})
	if err == nil && size > limit {
		err = fmt.Errorf("%w: %d bytes, and the server accepts %d at once", ErrTooLarge, size, limit)
	}
	return lastRevision, err
}

// appendLimit returns how many bytes the server accepts in one append, judging by its
// version.
func appendLimit(client *kurrentdb.Client) (int, error) {
	version, err := client.GetServerVersion()
	if err != nil {
		return 0, err
	}
	if version.IsAtLeast(25, 1, 0) {
		return moreAppendBytes, nil
	}
	return MaxAppendBytes, nil
}

func proposals(events []NewEvent) (proposed []kurrentdb.EventData, size int, err error) {
	if len(events) == 0 || len(events) > maxAppendEvents {
		return nil, 0, fmt.Errorf("%w: %d events", ErrInvalid, len(events))
	}
	proposed = make([]kurrentdb.EventData, len(events))
	for i, e := range events {
		if e.ID == uuid.Nil || e.Type == "" { // the client would generate an id, and the append could not be repeated
			return nil, 0, fmt.Errorf("%w: event %d has no id or no type", ErrInvalid, i)
		}
		size += e.Size()
		proposed[i] = kurrentdb.EventData{
			EventID: e.ID, EventType: e.Type, ContentType: contentType(e), Data: e.Data, Metadata: e.Metadata,
		}
	}
	return proposed, size, nil
}

func contentType(e NewEvent) kurrentdb.ContentType {
	if e.Binary {
		return kurrentdb.ContentTypeBinary
	}
	return kurrentdb.ContentTypeJson
}
