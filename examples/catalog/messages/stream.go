package messages

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"example.com/catalog/video"
)

const (
	// maxAppend is how many bytes every version of KurrentDB accepts in one append.
	maxAppend = 1 << 20

	// maxRead and maxReadBytes bound a stream that is read whole.
	maxRead      = 1000
	maxReadBytes = 4 << 20
)

// Expected is where a stream has to be for an append to succeed: the revision of its last
// message, NoStream or Any.
type Expected int64

const (
	// NoStream expects that the stream has no message.
	NoStream Expected = -1
	// Any expects nothing.
	Any Expected = -2
)

// After expects that the stream has n messages.
func After(n uint64) Expected { return Expected(n) - 1 }

func (e Expected) state() kurrentdb.StreamState {
	switch {
	case e == Any:
		return kurrentdb.Any{}
	case e < 0:
		return kurrentdb.NoStream{}
	default:
		return kurrentdb.StreamRevision{Value: uint64(e)}
	}
}

// Append writes a message to a stream. It returns ErrWrongRevision if the stream is not
// where it is expected. A repeated append of the same message succeeds and writes
// nothing, also when others followed. With Any, the server may forget that after a while,
// and when it restarts.
func (s *Store) Append(ctx context.Context, stream string, expected Expected, m video.NewMessage) error {
	data, err := encode(m)
	if err == nil {
		err = s.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
			_, err := client.AppendToStream(ctx, stream, kurrentdb.AppendToStreamOptions{StreamState: expected.state()}, data)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("append %s to %s: %w", m.Type, stream, err)
	}
	return nil
}

// encode encodes a message as JSON. KurrentDB links only messages that it can decode to
// the streams of their category.
func encode(m video.NewMessage) (kurrentdb.EventData, error) {
	if m.ID == uuid.Nil || m.Type == "" { // the client would make an id, and a repeated append would write again
		return kurrentdb.EventData{}, errors.New("the message has no id or no type")
	}
	data, err := json.Marshal(m.Data)
	if err != nil {
		return kurrentdb.EventData{}, err
	}
	metadata, err := json.Marshal(m.Metadata)
	if err != nil {
		return kurrentdb.EventData{}, err
	}
	if size := len(data) + len(metadata) + 2*len(m.Type); size > maxAppend { // as the server counts
		return kurrentdb.EventData{}, fmt.Errorf("%w: %d bytes of %d", ErrTooLarge, size, maxAppend)
	}
	return kurrentdb.EventData{
		EventID: m.ID, EventType: m.Type, ContentType: kurrentdb.ContentTypeJson, Data: data, Metadata: metadata,
	}, nil
}

// Read returns the messages of a stream, oldest first, and none if there is no such
// stream. It returns ErrTooLarge if there are more than 1,000 or 4 MiB of them: never
// only a part.
func (s *Store) Read(ctx context.Context, stream string) (found []video.Message, err error) {
	err = s.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		found, err = read(ctx, client, stream)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", stream, err)
	}
	return found, nil
}

func read(ctx context.Context, client *kurrentdb.Client, stream string) (found []video.Message, err error) {
	reading, err := client.ReadStream(ctx, stream, kurrentdb.ReadStreamOptions{}, maxRead+1)
	if err != nil {
		return nil, err
	}
	defer reading.Close()
	for size := 0; ; {
		e, err := reading.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return found, nil
		case isCode(err, kurrentdb.ErrorCodeResourceNotFound):
			return nil, nil
		case err != nil:
			return nil, err
		}
		found = append(found, messageOf(e.Event, e.Event))
		size += len(e.Event.Data) + len(e.Event.UserMetadata)
		if len(found) > maxRead || size > maxReadBytes {
			return nil, fmt.Errorf("%w: more than %d messages or %d bytes", ErrTooLarge, maxRead, maxReadBytes)
		}
	}
}

// messageOf returns a message as it was read through an event: itself, or a link to it.
func messageOf(e, through *kurrentdb.RecordedEvent) video.Message {
	return video.Message{
		ID: e.EventID, Stream: e.StreamID, Revision: e.EventNumber, Position: through.EventNumber,
		Type: e.EventType, Data: e.Data, Metadata: e.UserMetadata, Time: e.CreatedDate.UTC(),
	}
}
