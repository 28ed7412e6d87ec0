package main

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// What six bridges of TestOutages may take, together with the servers of theirs in the same process.
const (
	mostGoroutines = 1200
	mostHeap       = 128 << 20
)

// What a bridge may do in an outage, however it is done: at once, and for each second of it.
const (
	callsAtOnce, callsEach             = 100, 5
	linesAtOnce, linesEach             = 100, 5
	connectionsAtOnce, connectionsEach = 30, 1
)

// TestOutages has one bridge for each of six kinds of outage, all at once. It is not parallel with other tests, so that what
// it measures of the process is its own.
func TestOutages(t *testing.T) {
	for text := range strings.SplitSeq(*outages, ",") {
		duration, err := time.ParseDuration(text)
		require.NoError(t, err)
		t.Run(text, func(t *testing.T) {
			before := runtime.NumGoroutine()
			highest := measure(func() int { return 0 })
			var all sync.WaitGroup // t.Parallel would let as many run as there are processors
			for _, server := range []string{"Temporal", "KurrentDB"} {
				for _, kind := range []condition{refused, silent, reset} {
					all.Go(func() {
						t.Run(server+" "+string(kind), func(t *testing.T) { suffer(t, server, kind, duration) })
					})
				}
			}
			all.Wait()
			high := highest()
			t.Logf("goroutines %d, at most %d; heap at most %d MiB", before, high.goroutines, high.heap>>20)
			require.Less(t, high.goroutines, mostGoroutines)
			require.Less(t, high.heap, mostHeap)
			require.Eventually(t, func() bool { return runtime.NumGoroutine() < before+20 }, longEnough, 50*time.Millisecond,
				"nothing is left behind")
		})
	}
}

func suffer(t *testing.T, server string, kind condition, outage time.Duration) {
	tr := newTrial(t)
	// Ten times in the outage, and not so often that a slow machine does nothing but what it did before.
	tr.bridge.settings.MessageTimeout = min(max(outage/10, time.Second), 10*time.Second)
	tr.bridge.holdLimit = 3 * tr.bridge.settings.MessageTimeout
	tr.run()
	for range 10 {
		tr.place()
	}
	tr.requireAllDone()

	way := map[string]*road{"Temporal": tr.toTemporal, "KurrentDB": tr.toKurrent}[server]
	calls, lines, connections := tr.tally.calls.Load(), tr.tally.lines.Load(), way.connections()
	highest := measure(func() int { return inFlight(tr.bridge) })
	began := time.Now()
	way.become(kind)
	tr.last(outage)
	seconds := time.Since(began).Seconds() // a slow machine makes it longer
	calls, lines, connections = tr.tally.calls.Load()-calls, tr.tally.lines.Load()-lines, way.connections()-connections
	way.become(passable)
	back := time.Now()
	tr.awaitAllDone()
	took := time.Since(back).Round(time.Millisecond)
	tr.requireOnceEach()
	high := highest()
	t.Logf("%d events, %d answers, done %s after the outage; in it %d calls, %d log lines, %d connections; in flight at most %d",
		len(tr.placed)+len(tr.paid)+len(tr.cancelled), tr.handled(), took, calls, lines, connections, high.inFlight)
	require.LessOrEqual(t, high.inFlight, tr.bridge.concurrency)
	require.LessOrEqual(t, calls, int64(callsAtOnce+callsEach*seconds))
	require.LessOrEqual(t, lines, int64(linesAtOnce+linesEach*seconds))
	require.LessOrEqual(t, connections, int(connectionsAtOnce+connectionsEach*seconds))
}
