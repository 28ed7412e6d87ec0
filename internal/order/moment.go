package order

import (
	"strings"
	"time"
)

// The years a moment may be in: every store and client keeps those exactly.
const (
	firstYear = 1970
	lastYear  = 9999
)

// moment reads a time of RFC 3339, to the microsecond. Letters may be in either case, and the leap second, which no store
// knows, is the last microsecond before it.
func (c *checker) moment(path, text string) time.Time {
	if text == "" {
		c.refuse(path, "is missing")
		return time.Time{}
	}
	moment, err := time.Parse(time.RFC3339, withoutLeapSecond(strings.ToUpper(text)))
	if err != nil {
		c.refuse(path, "must be a time like 2025-01-31T12:00:00Z")
		return time.Time{}
	}
	moment = moment.UTC().Truncate(time.Microsecond)
	if moment.Year() < firstYear || moment.Year() > lastYear {
		c.refuse(path, "must be in the years 1970 to 9999")
	}
	return moment
}

// withoutLeapSecond writes second 60 as 59.999999, whatever its fraction. Anything else is returned as it is.
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
