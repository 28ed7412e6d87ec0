package store

import (
	"bytes"
	"crypto/sha1"
	"encoding/binary"
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"orderflow/internal/serverjson"
)

// categoryPrefix begins the names of the streams that $by_category links to.
const categoryPrefix = "$ce-"

// link is an entry a system projection derives from an event.
type link struct {
	kind   uint32
	stream string
}

// derive returns the links that follow an event, in the order in which they come behind
// it. It looks at the event alone, so reading a journal again derives the same links. An
// event that is marked as JSON and cannot be read as JSON has none.
func derive(r *Record) []link {
	subject, deletion, ok := subjectOf(r)
	if !ok || r.JSON && serverjson.Check(r.Data) != nil {
		return nil
	}
	links := make([]link, 0, derivedKinds)
	category := categoryOf(r.Stream)
	if deletion {
		category = categoryOf(subject)
	}
	if category != "" {
		links = append(links, link{linkByCategory, categoryPrefix + category})
	}
	switch {
	case deletion:
		links = append(links, link{linkByType, "$et-$deleted"})
	case r.Type != TypeLink:
		links = append(links, link{linkByType, "$et-" + r.Type})
	}
	if r.Revision == 0 {
		links = append(links, link{linkStreams, "$streams"})
		if category != "" && !deletion {
			links = append(links, link{linkStreamByCategory, "$category-" + category})
		}
	}
	if id := CorrelationID(r); id != "" {
		links = append(links, link{linkByCorrelation, "$bc-" + id})
	}
	return links
}

// subjectOf returns the stream that an event is about and whether it deletes that stream.
// ok is false for events that projections ignore: those of system streams, except the
// metadata of other streams.
func subjectOf(r *Record) (subject string, deletion, ok bool) {
	original, meta := originalOf(r.Stream)
	if !meta {
		return r.Stream, r.Type == TypeStreamDeleted && r.Revision == DeletedRevision, !isSystem(r.Stream)
	}
	deletion = r.Type == TypeMetadata && parseMetadata(r).softDeleted()
	return original, deletion, !isSystem(original)
}

// categoryOf returns the part before the first dash. It is empty for a stream without a
// category.
func categoryOf(name string) string {
	if isSystem(name) {
		return ""
	}
	category, _, found := strings.Cut(name, "-")
	if !found {
		return ""
	}
	return category
}

// linkRecord builds the link of the given kind that follows source.
func linkRecord(source *Record, e entry, stream string) Record {
	return Record{
		ID:       linkID(source, e.typ),
		Stream:   stream,
		Revision: e.rev(),
		Position: e.position,
		Type:     derivedType(e.typ),
		Created:  source.Created,
		Data:     linkData(source, e.typ),
		Metadata: linkMetadata(source, e.typ),
	}
}

func derivedType(kind uint32) string {
	if kind == linkStreamByCategory {
		return TypeStreamRef
	}
	return TypeLink
}

func linkData(source *Record, kind uint32) []byte {
	subject, deletion, _ := subjectOf(source)
	switch {
	case kind == linkStreamByCategory:
		return []byte(source.Stream)
	case (kind == linkByCategory || kind == linkByCorrelation) && source.Type == TypeLink:
		return source.Data // a link to a link would not be resolved: the target is copied
	case kind == linkByType && deletion:
		return linkTo(source.Revision, subject)
	}
	return linkTo(source.Revision, source.Stream)
}

func linkTo(revision int64, stream string) []byte {
	return append(strconv.AppendInt(nil, revision, 10), "@"+stream...)
}

// ParseLink splits a link's data into the revision and the stream it points at. A link
// begins with a number, which may have spaces around it; the rest may be empty.
func ParseLink(data []byte) (revision int64, stream string, ok bool) {
	number, stream, _ := strings.Cut(string(data), "@")
	revision, err := strconv.ParseInt(strings.Trim(number, " \t\n\v\f\r"), 10, 64)
	return revision, stream, err == nil
}

// linkID is stable, because a consumer acknowledges by it across restarts, and differs
// for every link.
func linkID(source *Record, kind uint32) uuid.UUID {
	var seed [16 + 8 + 4]byte
	copy(seed[:], source.ID[:])
	binary.BigEndian.PutUint64(seed[16:], source.Position)
	binary.BigEndian.PutUint32(seed[24:], kind)
	sum := sha1.Sum(seed[:])
	id := uuid.UUID(sum[:16])
	id[6] = id[6]&0x0f | 0x50 // version 5
	id[8] = id[8]&0x3f | 0x80 // RFC 4122
	return id
}

// linkMeta is the metadata that the projection engine writes on its links.
type linkMeta struct {
	Version       string `json:"$v"`
	Commit        uint64 `json:"$c"`
	Prepare       uint64 `json:"$p"`
	Original      string `json:"$o,omitempty"`
	Deleted       int    `json:"$deleted,omitempty"`
	Timestamp     string `json:"$eventTimestamp,omitempty"`
	CausedBy      string `json:"$causedBy"`
	CorrelationID string `json:"$correlationId,omitempty"`
}

func linkMetadata(source *Record, kind uint32) []byte {
	subject, deletion, _ := subjectOf(source)
	meta := linkMeta{
		Version:       strconv.Itoa(int(kind)+1) + ":-1:1:4",
		Commit:        source.Position,
		Prepare:       source.Position,
		CausedBy:      source.ID.String(),
		CorrelationID: CorrelationID(source),
	}
	switch kind {
	case linkByCategory:
		meta.Original = subject
	case linkByCorrelation:
		meta.Timestamp = time.Unix(0, source.Created*100).UTC().Format("2006-01-02T15:04:05.000000Z")
	}
	if deletion && (kind == linkByCategory || kind == linkByType) {
		meta.Deleted = -1
	}
	encoded, err := json.Marshal(meta)
	if err != nil { // strings and numbers always marshal
		return nil
	}
	return encoded
}

// CorrelationID returns the $correlationId in an event's metadata, or "" if there is
// none.
func CorrelationID(r *Record) string {
	var meta struct {
		CorrelationID string `json:"$correlationId"`
	}
	if !bytes.Contains(r.Metadata, []byte("correlationId")) || json.Unmarshal(r.Metadata, &meta) != nil {
		return ""
	}
	return meta.CorrelationID
}
