package kurrent

import (
	"context"
	"fmt"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// maxAppendBytes and maxAppendEvents bound one append. The server takes messages of up to 16 MiB.
const (
	maxAppendBytes  = 15 << 20
	maxAppendEvents = 1000
)

// Append writes events to a stream, all or none, when the stream is where it is expected, and answers the revision of the
// last one. With NoStream or At, the same append made again answers as before and writes nothing. After ErrUnavailable it
// is not known whether they were written: make the same append again, or read.
func (c *Client) Append(ctx context.Context, stream string, expected Expected, events ...NewEvent) (lastRevision uint64, err error) {
	proposed, err := proposals(events)
	if err == nil {
		err = c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
			options := kurrentdb.AppendToStreamOptions{StreamState: expected.state()}
			result, err := client.AppendToStream(ctx, stream, options, proposed...)
			if err == nil {
				lastRevision = result.NextExpectedVersion
			}
			return err
		})
	}
	if err != nil {
		return 0, fmt.Errorf("append to %s: %w", stream, err)
	}
	return lastRevision, nil
}

func proposals(events []NewEvent) ([]kurrentdb.EventData, error) {
	if len(events) == 0 || len(events) > maxAppendEvents {
		return nil, fmt.Errorf("%w: %d events", ErrInvalid, len(events))
	}
	size := 0
	proposed := make([]kurrentdb.EventData, len(events))
	for i, e := range events {
		if e.ID == uuid.Nil || e.Type == "" { // the client would make up an id, and the append could not be repeated
			return nil, fmt.Errorf("%w: event %d has no id or no type", ErrInvalid, i)
		}
		size += len(e.Data) + len(e.Metadata) + 2*len(e.Type)
		proposed[i] = kurrentdb.EventData{
			EventID: e.ID, EventType: e.Type, ContentType: contentType(e), Data: e.Data, Metadata: e.Metadata,
		}
	}
	if size > maxAppendBytes {
		return nil, fmt.Errorf("%w: %d bytes", ErrTooLarge, size)
	}
	return proposed, nil
}

func contentType(e NewEvent) kurrentdb.ContentType {
	if e.Binary {
		return kurrentdb.ContentTypeBinary
	}
	return kurrentdb.ContentTypeJson
}
