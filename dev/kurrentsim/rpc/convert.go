package rpc

import (
	"encoding/binary"
	"strconv"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"golang.org/x/text/encoding/unicode"

	"orderflow/dev/kurrentsim/store"
)

// Keys of an event's metadata on the wire, and the two content types.
const (
	metaType        = "type"
	metaContentType = "content-type"
	metaCreated     = "created"
	contentJSON     = "application/json"
	contentBytes    = "application/octet-stream"
)

func eventMetadata(r *store.Record) map[string]string {
	content := contentBytes
	if r.JSON {
		content = contentJSON
	}
	return map[string]string{
		metaType: r.Type, metaContentType: content, metaCreated: strconv.FormatInt(r.Created, 10),
	}
}

func streamID(name string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(name)}
}

// nameOf decodes a stream's name as a real server does: each maximal part of a sequence
// that is not UTF-8 is replaced.
func nameOf(id *shared.StreamIdentifier) string {
	name, err := unicode.UTF8.NewDecoder().Bytes(id.GetStreamName())
	if err != nil { // cannot happen: the decoder replaces what it cannot decode
		return ""
	}
	return string(name)
}

func toUUID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:8])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

func toTextUUID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

// uuidForm encodes event ids.
type uuidForm func(uuid.UUID) *shared.UUID

// uuidFormOf returns the form that a read asks for: text or two numbers.
func uuidFormOf(option interface{ GetString_() *shared.Empty }) uuidForm {
	if option.GetString_() != nil {
		return toTextUUID
	}
	return toUUID
}

func fromUUID(id *shared.UUID) (uuid.UUID, error) {
	if structured := id.GetStructured(); structured != nil {
		var u uuid.UUID
		binary.BigEndian.PutUint64(u[:8], uint64(structured.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(u[8:], uint64(structured.GetLeastSignificantBits()))
		return u, nil
	}
	return uuid.Parse(id.GetString_())
}

type recordedEvent = streams.ReadResp_ReadEvent_RecordedEvent

func toRecorded(r *store.Record, form uuidForm) *recordedEvent {
	if r == nil {
		return nil
	}
	return &recordedEvent{
		Id:               form(r.ID),
		StreamIdentifier: streamID(r.Stream),
		StreamRevision:   uint64(r.Revision),
		PreparePosition:  r.Position,
		CommitPosition:   r.Position,
		Metadata:         eventMetadata(r),
		CustomMetadata:   r.Metadata,
		Data:             r.Data,
	}
}

func toReadEvent(e store.Resolved, form uuidForm) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event:    toRecorded(e.Event, form),
		Link:     toRecorded(e.Link, form),
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: e.Original().Position},
	}}}
}
