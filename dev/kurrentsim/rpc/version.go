package rpc

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// DefaultVersion is the release that this server imitates: that of the real server whose
// recorded transcript is in the repository.
const DefaultVersion = "24.10.14"

// MaxMessage is the largest message that a server takes, in bytes: the largest record of
// its log, less the log's overhead.
const MaxMessage = 16<<20 - 1<<10

// Release describes the differences between versions of the server. Those of 24.10 were
// measured; those of other versions come from the server's and the client's sources.
type Release struct {
	text          string // version string the server reports; clients use it to decide which calls to make
	maxAppend     int    // total bytes of the events in one append
	maxEvent      int    // bytes of one event; 0 means no limit of its own
	multiAppend   bool   // one call can append to several streams
	caughtUpPlace bool   // a subscription that has caught up learns when and where, not only that it has
}

// ParseRelease returns the release of a version, major.minor.patch. An empty version
// means DefaultVersion. It returns an error if clients cannot parse the version.
func ParseRelease(version string) (Release, error) {
	version = cmp.Or(version, DefaultVersion)
	major, minor, err := parseVersion(version)
	if err != nil {
		return Release{}, err
	}
	from := func(year, month int) bool { return major > year || major == year && minor >= month }
	r := Release{text: version, maxAppend: 1 << 20, caughtUpPlace: from(24, 10)}
	if from(25, 1) {
		r.maxAppend, r.maxEvent, r.multiAppend = 256<<20, 16<<20, true
	}
	return r, nil
}

// WithMaxAppend returns the release with another limit of one append, in bytes, as by the
// server option MaxAppendSize. 0 leaves it unchanged.
func (r Release) WithMaxAppend(bytes int) Release {
	r.maxAppend = cmp.Or(bytes, r.maxAppend)
	return r
}

// MaxAppend returns how many bytes the events of one append may have in all.
func (r Release) MaxAppend() int { return r.maxAppend }

// parseVersion parses major.minor.patch, whose patch may have a suffix.
func parseVersion(version string) (major, minor int, err error) {
	parts := strings.SplitN(version, ".", 3)
	numbers := [3]int{}
	for i := range numbers {
		if err == nil && i < len(parts) {
			part, _, _ := strings.Cut(parts[i], "-")
			numbers[i], err = strconv.Atoi(part)
		}
	}
	if err != nil || len(parts) < len(numbers) {
		return 0, 0, fmt.Errorf("version %q is not major.minor.patch", version)
	}
	return numbers[0], numbers[1], nil
}
