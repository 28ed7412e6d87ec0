package rpc

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// DefaultVersion is the release this server behaves like: the one a real server was asked with, whose transcript is kept.
const DefaultVersion = "24.10.14"

// MaxMessage is the largest message a server takes, in bytes: the largest record of its log, less what the log adds.
const MaxMessage = 16<<20 - 1<<10

// Release is what differs between versions of the server. What is said of 24.10 was measured, what is said of others was
// read in the server's and the client's sources.
type Release struct {
	text          string // what the server calls itself; clients decide by it what they ask for
	maxAppend     int    // bytes of the events of one append together
	maxEvent      int    // bytes of one event; 0 is no bound of its own
	multiAppend   bool   // one call can append to several streams
	caughtUpPlace bool   // a subscription that has caught up is told when and where, not only that
}

// ParseRelease returns the release of a version, major.minor.patch; the empty one means DefaultVersion. Its error says
// that clients cannot read the version.
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

// parseVersion reads major.minor.patch, of which the patch may have a suffix.
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
