// Package metadata parses the metadata of streams: the JSON object in the newest event of
// a metastream. Like a real server, it ignores metadata as a whole if a known field is
// malformed. Package store acts on the result, and package access decides what an access
// control list allows.
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

// Parse returns the metadata in body. It returns the zero Stream if body is not a JSON
// object, or if any known field has the wrong type or is out of range. It ignores unknown
// fields.
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
