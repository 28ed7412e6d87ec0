package store

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strconv"
	"strings"

	"orderflow/dev/kurrentsim/metadata"
)

const metastreamPrefix = "$$"

// deletedMetadata is the body that a soft delete writes: everything before the maximum
// revision is truncated.
var deletedMetadata = []byte(`{"$tb":9223372036854775807}`)

// Metadata is the metadata of a stream; nil if there is none.
type Metadata metadata.Stream

func (m *Metadata) softDeleted() bool { return m != nil && m.TruncateBefore == math.MaxInt64 }

// metastream returns the name of the stream that holds the metadata of name.
func metastream(name string) string { return metastreamPrefix + name }

// originalOf returns the stream whose metadata name holds.
func originalOf(name string) (string, bool) {
	original, ok := strings.CutPrefix(name, metastreamPrefix)
	return original, ok && original != ""
}

func isMetastream(name string) bool {
	_, ok := originalOf(name)
	return ok
}

func isSystem(name string) bool { return strings.HasPrefix(name, "$") }

// parseMetadata returns the metadata in the newest event of a metastream, or nil if there
// is none that the store acts on.
func parseMetadata(r *Record) *Metadata {
	if !r.JSON {
		return nil
	}
	m := Metadata(metadata.Parse(r.Data))
	m.ACL = nil // read again where access is decided
	if m == (Metadata{}) {
		return nil
	}
	return &m
}

// withTruncateBefore rewrites a metadata body so that the stream begins at revision. The
// other keys keep their order; a new $tb comes last.
func withTruncateBefore(body []byte, revision int64) []byte {
	fields := fieldsOf(body)
	begin := field{name: "$tb", value: strconv.AppendInt(nil, revision, 10)}
	if at := slices.IndexFunc(fields, func(f field) bool { return f.name == begin.name }); at >= 0 {
		fields[at] = begin
	} else {
		fields = append(fields, begin)
	}
	rewritten := []byte{'{'}
	for i, f := range fields {
		if i > 0 {
			rewritten = append(rewritten, ',')
		}
		name, err := json.Marshal(f.name)
		if err != nil { // strings always marshal
			continue
		}
		rewritten = append(append(append(rewritten, name...), ':'), f.value...)
	}
	return append(rewritten, '}')
}

// field is one member of a JSON object.
type field struct {
	name  string
	value json.RawMessage
}

// fieldsOf returns the members of a JSON object in their order, without spaces. If a name
// repeats, it returns the last one. It returns none if body is not an object.
func fieldsOf(body []byte) []field {
	var compact bytes.Buffer
	if json.Compact(&compact, body) != nil {
		return nil
	}
	decoder := json.NewDecoder(&compact)
	if open, err := decoder.Token(); err != nil || open != json.Delim('{') {
		return nil
	}
	var fields []field
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return nil
		}
		f := field{}
		f.name, _ = name.(string)
		if decoder.Decode(&f.value) != nil {
			return nil
		}
		fields = append(slices.DeleteFunc(fields, func(earlier field) bool { return earlier.name == f.name }), f)
	}
	return fields
}
