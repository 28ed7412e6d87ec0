package bridgeproperty_test

import (
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
)

var (
	events    = flag.Int("n", 200, "number of events")
	seed      = flag.Uint64("seed", 0, "seed of the events and the faults; 0 means a random one")
	kurrentDB = flag.String("kurrentdb", "", "connection `string` of a KurrentDB that runs; empty starts kurrentsim")
	logFile   = flag.String("log", "", "`file` that the bridges log to")
)

var servers = devservertest.Servers{}

func TestMain(m *testing.M) {
	if encoded := os.Getenv(settingsVariable); encoded != "" {
		if err := runBridge(encoded); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	servers.Main(m)
}

// usedSeed returns the seed of the run.
var usedSeed = sync.OnceValue(func() uint64 {
	if *seed != 0 {
		return *seed
	}
	return rand.Uint64()
})

func seedText() string { return strconv.FormatUint(usedSeed(), 10) }

// Each event has exactly the outcome that its route says, whatever fails meanwhile.
func TestBridge_Outcomes(t *testing.T) {
	t.Logf("seed %s, %d events", seedText(), *events)
	r := newRig(t, newRandom(1), settings{
		Concurrency: 8, UpdateConcurrency: 4, MessageTimeout: shortTimeout, HoldTimeout: 4 * time.Second,
	})
	all, order := generate(r.random, r.category, *events)
	began := time.Now()
	for _, s := range all {
		if s.before != nil {
			require.NoError(t, s.before(t.Context(), r.temporal))
		}
	}
	r.work(workedQueue(r.category))
	for range 3 {
		r.addBridge()
	}
	r.appendUnderFaults(order)
	r.setTimeout(time.Minute)
	r.settle(order)
	r.judge(all, false).report()
	t.Logf("every event has one of its outcomes after %s", time.Since(began).Round(time.Second))
	r.replay(order, math.MaxUint64)()
	r.judge(all, true).report()
	r.requireUnlinked(order, began.Add(-time.Hour))
}

// As many events as a bridge handles at once may wait, and twice as many updates as it
// has in progress at once. Events that follow are done while all of them still wait.
func TestBridge_WaitingHoldsUpNoOther(t *testing.T) {
	t.Logf("seed %s", seedText())
	r := newRig(t, newRandom(2), settings{
		Concurrency: 6, UpdateConcurrency: 3, MessageTimeout: time.Hour, HoldTimeout: 30 * time.Minute,
	})
	r.addBridge()
	for round := range 1 + *events/100 {
		s := &scenario{
			workflow: fmt.Sprintf("%s/%d", r.category, round), streamPrefix: fmt.Sprintf("%s-%d", r.category, round), random: r.random,
			queue: fmt.Sprintf("%s-%d", r.category, round),
		}
		waiting, needed := r.holdOpen(s, round == 0)
		others := r.startOthers(s)
		r.awaitOutcomes(others)
		require.Len(t, r.outcomes.without(waiting), len(waiting), "seed %s: the events wait until they are released", seedText())
		r.append(needed)
		r.work(s.queue)
		r.awaitOutcomes(waiting)
		t.Logf("round %d: %d events waited while %d others were done", round, len(waiting), len(others))
	}
}

// holdOpen appends as many events as may wait, or some of them, and returns the event that
// those wait for which are no updates. The updates wait for a worker.
func (r *rig) holdOpen(s *scenario, all bool) (waiting []*event, needed *event) {
	r.Helper()
	starts, updates := 4*r.settings.Concurrency, 2*r.settings.UpdateConcurrency // as docs/bridge.md says
	if !all {
		starts, updates = r.random.IntN(starts+1), r.random.IntN(updates+1)
	}
	needed = s.add(skipped, instruction{}, event{})
	needed.stream = s.newStream()
	for i := range starts {
		workflow := fmt.Sprintf("%s/waiting/%d", s.workflow, i)
		waiting = append(waiting, r.appendNew(s, workflow, needing, instruction{Needs: needed.stream}))
	}
	for i := range updates {
		waiting = append(waiting, r.appendNew(s, fmt.Sprintf("%s/updated/%d", s.workflow, i), asked, instruction{}))
	}
	return waiting, needed
}

func (r *rig) startOthers(s *scenario) (others []*event) {
	r.Helper()
	for i := range 3 * r.settings.Concurrency {
		others = append(others, r.appendNew(s, fmt.Sprintf("%s/other/%d", s.workflow, i), opened, instruction{}))
	}
	return others
}

func (r *rig) appendNew(s *scenario, workflow, eventType string, data instruction) *event {
	r.Helper()
	one := *s
	one.workflow = workflow
	e := one.add(eventType, data, event{})
	r.append(e)
	return e
}

func (r *rig) awaitOutcomes(all []*event) {
	r.Helper()
	r.await(func() bool {
		r.outcomes.read()
		return len(r.outcomes.without(all)) == 0
	}, func() string { return fmt.Sprintf("no outcome of %v", r.outcomes.without(all)) })
}
