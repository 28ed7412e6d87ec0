//go:build failpoint

package failpoint

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// action is what happens at one hit of a point.
type action struct {
	at    int64         // the number of the hit, from 1
	pause time.Duration // 0 means crash
	hits  atomic.Int64
}

// parse parses FAILPOINTS.
func parse(text string) (map[string]*action, error) {
	actions := map[string]*action{}
	for item := range strings.SplitSeq(text, ",") {
		if item == "" {
			continue
		}
		name, what, _ := strings.Cut(item, "=")
		if !slices.Contains(Names(), name) {
			return nil, fmt.Errorf("%q is not a failpoint", name)
		}
		if actions[name] != nil {
			return nil, fmt.Errorf("%s: is given twice", name)
		}
		a, err := parseAction(what)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		actions[name] = a
	}
	return actions, nil
}

func parseAction(text string) (*action, error) {
	a := &action{at: 1}
	what, at, counted := strings.Cut(text, "@")
	if counted {
		n, err := strconv.ParseInt(at, 10, 64)
		if err != nil || n < 1 {
			return nil, errors.New("what follows @ must be a number from 1")
		}
		a.at = n
	}
	duration, isPause := strings.CutPrefix(what, "pause:")
	switch {
	case isPause:
		d, err := time.ParseDuration(duration)
		if err != nil || d <= 0 {
			return nil, errors.New("what follows pause: must be a duration above 0, such as 40s")
		}
		a.pause = d
	case what != "crash":
		return nil, errors.New("must be crash or pause:DURATION, with @N for the N-th hit")
	}
	return a, nil
}
