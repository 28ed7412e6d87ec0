// Package metadata reads the metadata of streams: the JSON object that the newest event of a metastream holds. It owns which
// metadata counts: a real server ignores metadata as a whole if one of the fields it knows is malformed. Acting on it is left
// to package store, and what an access control list allows to package access.
package metadata

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"orderflow/dev/kurrentsim/access"
)

// Stream is the metadata of one stream. A zero field is not set.
type Stream struct {
	MaxCount       int64
	MaxAge         time.Duration
	TruncateBefore int64
	ACL            *access.List
}

// Parse returns the metadata that body holds. It returns the zero Stream if body is no JSON object, or if any known field is
// of the wrong type or out of range. Unknown fields are ignored.
func Parse(body []byte) Stream {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return Stream{}
	}
	var maxAge, cacheControl int64
	var s Stream
	for key, number := range map[string]struct {
		into  *int64
		least int64
	}{
		"$maxCount": {&s.MaxCount, 1}, "$maxAge": {&maxAge, 1}, "$tb": {&s.TruncateBefore, 0}, "$cacheControl": {&cacheControl, 1},
	} {
		value, set := fields[key]
		if !set {
			continue
		}
		n, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || n < number.least {
			return Stream{}
		}
		*number.into = n
	}
	s.MaxAge = time.Duration(min(maxAge, math.MaxInt64/int64(time.Second))) * time.Second
	if value, set := fields["$acl"]; set {
		if s.ACL = access.ParseList(value); s.ACL == nil {
			return Stream{}
		}
	}
	return s
}
