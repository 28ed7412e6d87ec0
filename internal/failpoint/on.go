//go:build failpoint

package failpoint

import (
	"fmt"
	"os"
	"time"
)

// armed is parsed at startup, so that a misspelled point fails at once and no test passes
// that waits for nothing. It is global because points are hit deep below main, where
// nothing could be passed in without leaving a trace in production.
var armed = load()

func load() map[string]*action {
	actions, err := parse(os.Getenv("FAILPOINTS"))
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, "FAILPOINTS:", err)
		os.Exit(2)
	}
	return actions
}

// Hit marks a point, and performs the action that FAILPOINTS asks for there.
func Hit(point string) {
	a := armed[point]
	if a == nil || a.hits.Add(1) != a.at {
		return
	}
	if a.pause > 0 {
		_, _ = fmt.Fprintf(os.Stderr, "failpoint %s: pause %s\n", point, a.pause)
		<-time.After(a.pause)
		return
	}
	_, _ = fmt.Fprintf(os.Stderr, "failpoint %s: crash\n", point)
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // the signal is pending: execute nothing more
}
