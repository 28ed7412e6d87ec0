package store

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

const metastreamPrefix = "$$"

// deletedMetadata is the body a soft delete writes: everything before the end of time is truncated.
var deletedMetadata = []byte(`{"$tb":9223372036854775807}`)

// Metadata is the part of a stream's metadata the store acts on. A zero field means there is none.
type Metadata struct {
	MaxCount       int64
	MaxAge         time.Duration
	TruncateBefore int64
}

func (m *Metadata) softDeleted() bool { return m != nil && m.TruncateBefore == math.MaxInt64 }

// metastream names the stream that holds the metadata of name.
func metastream(name string) string { return metastreamPrefix + name }

// originalOf returns the stream whose metadata name holds.
func originalOf(name string) (string, bool) {
	original, ok := strings.CutPrefix(name, metastreamPrefix)
	return original, ok && original != ""
}

func isSystem(name string) bool { return strings.HasPrefix(name, "$") }

// parseMetadata reads the newest event of a metastream; whatever does not parse counts as empty.
func parseMetadata(r *Record) *Metadata {
	if !r.JSON {
		return nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(r.Data, &fields) != nil {
		return nil
	}
	m := Metadata{
		MaxCount:       positive(fields["$maxCount"]),
		TruncateBefore: positive(fields["$tb"]),
	}
	if seconds := positive(fields["$maxAge"]); seconds > 0 {
		m.MaxAge = time.Duration(min(seconds, math.MaxInt64/int64(time.Second))) * time.Second
	}
	if m == (Metadata{}) {
		return nil
	}
	return &m
}

func positive(field json.RawMessage) int64 {
	n, err := strconv.ParseInt(string(field), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// withTruncateBefore rewrites a metadata body so that the stream begins at revision.
func withTruncateBefore(body []byte, revision int64) []byte {
	fields := map[string]json.RawMessage{}
	if json.Unmarshal(body, &fields) != nil || fields == nil {
		fields = map[string]json.RawMessage{}
	}
	fields["$tb"] = strconv.AppendInt(nil, revision, 10)
	rewritten, err := json.Marshal(fields)
	if err != nil { // raw values that were just parsed marshal
		return strconv.AppendInt([]byte(`{"$tb":`), revision, 10)
	}
	return rewritten
}
