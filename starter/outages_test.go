package main

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/faultproxy"
)

// Limits for the six bridges of TestOutages, together with their servers in the same
// process.
const (
	mostGoroutines = 1200
	mostHeap       = 128 << 20
)

// Limits for one bridge in an outage: a constant part, and a part for each second.
const (
	callsAtOnce, callsEach             = 100, 5
	linesAtOnce, linesEach             = 100, 5
	connectionsAtOnce, connectionsEach = 30, 1
)

// outageKinds returns what a server in an outage does to its connections, by name.
func outageKinds() map[string]func(*faultproxy.Proxy) {
	return map[string]func(*faultproxy.Proxy){
		"refused": (*faultproxy.Proxy).Refuse, "silent": func(p *faultproxy.Proxy) { p.Stall() }, "reset": (*faultproxy.Proxy).Reset,
	}
}

// TestOutages runs one bridge for each of six kinds of outage, all at once. It is not
// parallel with other tests, so that it measures only its own use of the process.
func TestOutages(t *testing.T) {
	for text := range strings.SplitSeq(*outages, ",") {
		duration, err := time.ParseDuration(text)
		require.NoError(t, err)
		t.Run(text, func(t *testing.T) {
			before := runtime.NumGoroutine()
			highest := measure(func() int { return 0 })
			var all sync.WaitGroup // t.Parallel would run only as many at a time as there are processors
			for _, server := range []string{"Temporal", "KurrentDB"} {
				for kind, begin := range outageKinds() {
					all.Go(func() {
						t.Run(server+" "+kind, func(t *testing.T) { runOutage(t, server, begin, duration) })
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

func runOutage(t *testing.T, server string, begin func(*faultproxy.Proxy), outage time.Duration) {
	tr := newOutageRig(t)
	// Ten redeliveries in the outage, but not so many that a slow machine only repeats
	// earlier work.
	tr.options.Subscription.MessageTimeout = min(max(outage/10, time.Second), 10*time.Second)
	tr.options.HoldTimeout = 3 * tr.options.Subscription.MessageTimeout
	tr.run()
	for range 10 {
		tr.place()
	}
	tr.requireAllDone()

	proxy := map[string]*faultproxy.Proxy{"Temporal": tr.toTemporal, "KurrentDB": tr.toKurrent}[server]
	calls, lines, connections := tr.load.calls.Load(), tr.load.lines.Load(), proxy.Accepted()
	highest := measure(func() int { return inFlight(tr.bridgeRig) })
	began := time.Now()
	begin(proxy)
	tr.placeDuring(outage)
	seconds := time.Since(began).Seconds() // longer than outage on a slow machine
	calls, lines, connections = tr.load.calls.Load()-calls, tr.load.lines.Load()-lines, proxy.Accepted()-connections
	proxy.Resume()
	back := time.Now()
	tr.awaitAllDone()
	took := time.Since(back).Round(time.Millisecond)
	tr.requireOnceEach()
	high := highest()
	t.Logf("%d events, %d answers, done %s after the outage; in it %d calls, %d log lines, %d connections; in flight at most %d",
		len(tr.placed)+len(tr.paid)+len(tr.cancelled), tr.handled(), took, calls, lines, connections, high.inFlight)
	require.LessOrEqual(t, high.inFlight, tr.options.Concurrency)
	require.LessOrEqual(t, calls, int64(callsAtOnce+callsEach*seconds))
	require.LessOrEqual(t, lines, int64(linesAtOnce+linesEach*seconds))
	require.LessOrEqual(t, connections, int(connectionsAtOnce+connectionsEach*seconds))
}
