package fault

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/dev/chaos/internal/rig"
)

// Kind is a way of breaking something.
type Kind string

// The kinds. Kill to CutOff are done to a process, Reset to Bandwidth to an edge, Absence to a process and all of its kind,
// and the others to a store.
const (
	Kill       Kind = "kill"        // kill -9; of PostgreSQL, pg_ctl stop -m immediate
	Pause      Kind = "pause"       // SIGSTOP, and SIGCONT after a while
	Restart    Kind = "restart"     // an orderly stop and a start
	Outage     Kind = "outage"      // stopped, and started after a while
	CutOff     Kind = "cut-off"     // nothing it writes reaches KurrentDB any more, and after a while it is killed
	Reset      Kind = "reset"       // connections are reset in the middle of an answer
	LostAnswer Kind = "lost-answer" // a request arrives, its answer does not, and the connection ends
	Blackhole  Kind = "blackhole"   // connections stay open and nothing passes, in one direction
	Latency    Kind = "latency"     // answers come late, each by another time
	Bandwidth  Kind = "bandwidth"   // answers trickle
	Absence    Kind = "absence"     // every process of a binary is stopped, and started after a while
	Failover   Kind = "failover"    // a standby that lags is promoted: PostgreSQL loses its last commits
	ReadOnly   Kind = "read-only"   // the name of PostgreSQL leads to a standby for a while, and back
	Unlinked   Kind = "unlinked"    // the starters' group of KurrentDB delivers links instead of events, for a while
	Unfilled   Kind = "unfilled"    // the projection that fills the starters' stream is stopped for a while
)

// Fault is one thing that breaks at a time, on a process or on an edge.
type Fault struct {
	At     time.Duration // since the schedule began
	For    time.Duration // how long it stays broken; 0 where it is over at once
	Kind   Kind
	Target string
	Toxic  rig.Toxic // on an edge
}

// String tells the fault in a line.
func (f Fault) String() string {
	text := fmt.Sprintf("%s %s", f.Kind, f.Target)
	if f.For > 0 {
		text += " for " + f.For.Round(time.Millisecond).String()
	}
	return text
}

// kind is how faults of a kind are made up and done.
type kind struct {
	name      Kind
	perMinute map[string]float64 // by what a target's name begins with or, of an edge to a store, ends with
	duration  func(r *rand.Rand, longest time.Duration) time.Duration
	toxic     func(r *rand.Rand) rig.Toxic // nil: it is done to the process
	do        func(ctx context.Context, r *rig.Rig, f Fault) error
}

// kinds is the table. A rate is that of each target: two workers that are killed six times a minute die twelve times.
func kinds() []kind {
	edges := func(rate float64) map[string]float64 {
		rates := map[string]float64{rig.Client + "/": rate}
		for _, store := range rig.Stores() {
			rates["/"+store] = rate
		}
		return rates
	}
	return []kind{
		{name: Kill, do: killed, perMinute: processes(6, 1)},
		{name: Pause, do: paused, duration: upTo(500*time.Millisecond, 1), perMinute: processes(1, 0.5)},
		{name: Restart, do: restarted, perMinute: processes(0.5, 0.5)},
		{name: Outage, do: down, duration: upTo(time.Second, 1), perMinute: processes(0, 0.3)},
		{name: CutOff, do: cutOff, duration: upTo(1500*time.Millisecond, 1), perMinute: processes(0.5, 0)},
		{name: Reset, do: passing, perMinute: edges(3), duration: upTo(50*time.Millisecond, 0.02), toxic: func(*rand.Rand) rig.Toxic {
			return rig.Toxic{Type: "reset_peer", Stream: rig.Downstream, Attributes: map[string]int{"timeout": 0}}
		}},
		{name: LostAnswer, do: passing, perMinute: edges(6), duration: upTo(50*time.Millisecond, 0.03), toxic: func(r *rand.Rand) rig.Toxic {
			// A connection that is new may say hello first: some bytes pass, so that not every one dies before its request.
			return rig.Toxic{Type: "limit_data", Stream: rig.Downstream, Attributes: map[string]int{"bytes": r.IntN(4 << 10)}}
		}},
		{name: Blackhole, do: passing, perMinute: edges(0.5), duration: upTo(500*time.Millisecond, 1), toxic: func(r *rand.Rand) rig.Toxic {
			direction := []string{rig.Upstream, rig.Downstream}[r.IntN(2)]
			return rig.Toxic{Type: "timeout", Stream: direction, Attributes: map[string]int{"timeout": 0}}
		}},
		{name: Latency, do: passing, perMinute: edges(0.5), duration: upTo(time.Second, 0.5), toxic: func(r *rand.Rand) rig.Toxic {
			return rig.Toxic{Type: "latency", Stream: rig.Downstream, Attributes: map[string]int{"latency": 50 + r.IntN(450), "jitter": 50}}
		}},
		{name: Bandwidth, do: passing, perMinute: edges(0.5), duration: upTo(time.Second, 0.5), toxic: func(r *rand.Rand) rig.Toxic {
			return rig.Toxic{Type: "bandwidth", Stream: rig.Downstream, Attributes: map[string]int{"rate": 4 + r.IntN(28)}} // KiB a second
		}},
		{name: Absence, do: absent, duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.Worker + "-1": 0.5}},
		{name: Failover, do: whole((*rig.Rig).Failover), duration: upTo(time.Second, 0.5), perMinute: map[string]float64{rig.Postgres: 0.2}},
		{name: Unlinked, do: whole((*rig.Rig).UnlinkGroup), duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.KurrentDB: 0.3}},
		{name: Unfilled, do: whole((*rig.Rig).StopProjection), duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.KurrentDB: 0.3}},
		{name: ReadOnly, do: whole((*rig.Rig).LeadToStandby), duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.Postgres: 0.2}},
	}
}

// processes are the rates of what is done to processes: to each binary, and to each store.
func processes(binary, store float64) map[string]float64 {
	rates := map[string]float64{}
	for _, name := range rig.Stores() {
		rates[name] = store
	}
	for _, name := range []string{rig.Worker, rig.Starter, rig.Publisher, rig.Projector, rig.API} {
		rates[name+"-"] = binary
	}
	return rates
}

// Kinds lists all kinds, for reports and flags.
func Kinds() []Kind {
	var all []Kind
	for _, k := range kinds() {
		all = append(all, k.name)
	}
	return all
}

// upTo draws from the shortest to a share of the longest time that anything may stay broken.
func upTo(shortest time.Duration, share float64) func(*rand.Rand, time.Duration) time.Duration {
	return func(r *rand.Rand, longest time.Duration) time.Duration {
		most := max(time.Duration(float64(longest)*share), 2*shortest)
		return shortest + time.Duration(r.Int64N(int64(most-shortest)))
	}
}

// rate is how often a minute a target breaks in this way.
func (k kind) rate(target string) float64 {
	for pattern, rate := range k.perMinute {
		edge := strings.Contains(pattern, "/")
		if edge == strings.Contains(target, "/") && (strings.HasPrefix(target, pattern) || edge && strings.HasSuffix(target, pattern)) {
			return rate
		}
	}
	return 0
}

func killed(ctx context.Context, r *rig.Rig, f Fault) error {
	return r.Process(f.Target).Kill(ctx)
}

func paused(ctx context.Context, r *rig.Rig, f Fault) error {
	return r.Process(f.Target).Pause(ctx, f.For)
}

func restarted(ctx context.Context, r *rig.Rig, f Fault) error {
	return r.Process(f.Target).Restart(ctx, nil)
}

func down(ctx context.Context, r *rig.Rig, f Fault) error {
	return r.Process(f.Target).Outage(ctx, f.For)
}

// absent has nobody do a binary's work: messages and timers pile up.
func absent(ctx context.Context, r *rig.Rig, f Fault) error {
	binary, _, _ := strings.Cut(f.Target, "-")
	var group errgroup.Group
	for _, name := range r.Binaries() {
		if strings.HasPrefix(name, binary+"-") {
			group.Go(func() error { return r.Process(name).Outage(ctx, f.For) })
		}
	}
	return group.Wait()
}

// wholeTimeout bounds what is done whole though the window ends meanwhile: making a standby takes seconds.
const wholeTimeout = 2 * time.Minute

// whole has the rig do something for as long as a fault says, to its end though the window ends meanwhile.
func whole(do func(*rig.Rig, context.Context, time.Duration) error) func(context.Context, *rig.Rig, Fault) error {
	return func(ctx context.Context, r *rig.Rig, f Fault) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wholeTimeout)
		defer cancel()
		return do(r, ctx, f.For)
	}
}

// passing has a toxic on an edge for a while.
func passing(ctx context.Context, r *rig.Rig, f Fault) error {
	edge := r.Edge(f.Target)
	if err := edge.Add(ctx, f.Toxic); err != nil {
		return err
	}
	wait(ctx, f.For)
	return edge.Remove(context.WithoutCancel(ctx), f.Toxic.Name)
}

// cutOff kills a process with requests in hand that will never arrive.
func cutOff(ctx context.Context, r *rig.Rig, f Fault) error {
	edge := r.Edge(f.Target + "/" + rig.KurrentDB)
	silence := rig.Toxic{Name: f.Toxic.Name, Type: "timeout", Stream: rig.Upstream, Attributes: map[string]int{"timeout": 0}}
	if err := edge.Add(ctx, silence); err != nil {
		return err
	}
	wait(ctx, f.For)
	return errors.Join(killed(ctx, r, f), edge.Remove(context.WithoutCancel(ctx), silence.Name))
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// byName finds a row of the table.
func byName(name Kind) (kind, bool) {
	all := kinds()
	i := slices.IndexFunc(all, func(k kind) bool { return k.name == name })
	if i < 0 {
		return kind{}, false
	}
	return all[i], true
}
