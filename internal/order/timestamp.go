package order

import (
	"strings"
	"time"
)

// The range of years. Every store and client represents these years exactly.
const (
	firstYear = 1970
	lastYear  = 9999
)

// timestamp parses a time in the format of RFC 3339, truncated to microseconds. Letters
// may be in either case. A leap second, which no store supports, becomes the last
// microsecond before it.
func (c *checker) timestamp(path, text string) time.Time {
	if text == "" {
		c.addFault(path, "is missing")
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339, withoutLeapSecond(strings.ToUpper(text)))
	if err != nil {
		c.addFault(path, "must be a time like 2025-01-31T12:00:00Z")
		return time.Time{}
	}
	t = t.UTC().Truncate(time.Microsecond)
	if !ValidTime(t) {
		c.addFault(path, "must be in the years 1970 to 9999")
	}
	return t
}

// ValidTime reports whether t is in a year that every store and client represents exactly:
// JSON has none after 9999.
func ValidTime(t time.Time) bool {
	year := t.UTC().Year()
	return year >= firstYear && year <= lastYear
}

// withoutLeapSecond replaces second 60, with any fraction, by 59.999999. It returns any
// other text unchanged.
func withoutLeapSecond(text string) string {
	const seconds = len("2006-01-02T15:04:")
	if len(text) < seconds+2 || text[seconds-1] != ':' || text[seconds:seconds+2] != "60" {
		return text
	}
	zone := text[seconds+2:]
	if fraction, ok := strings.CutPrefix(zone, "."); ok {
		zone = strings.TrimLeft(fraction, "0123456789")
		if zone == fraction {
			return text // a point without digits
		}
	}
	return text[:seconds] + "59.999999" + zone
}
