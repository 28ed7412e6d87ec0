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

// The kinds. Kill to CutOff apply to a process, Reset to Bandwidth to an edge, Absence to
// a process and all others of its kind, and the rest to a store.
const (
	Kill       Kind = "kill"        // kill -9; of PostgreSQL, pg_ctl stop -m immediate
	Pause      Kind = "pause"       // SIGSTOP, and SIGCONT after a while
	Restart    Kind = "restart"     // an orderly stop and a start
	Outage     Kind = "outage"      // stopped, and started after a while
	CutOff     Kind = "cut-off"     // nothing it writes reaches KurrentDB any longer, and after a while it is killed
	Reset      Kind = "reset"       // connections are reset in the middle of a response
	LostAnswer Kind = "lost-answer" // a request arrives, its response does not, and the connection ends
	Blackhole  Kind = "blackhole"   // connections stay open and nothing passes, in one direction
	Latency    Kind = "latency"     // responses are late, each by a different delay
	Bandwidth  Kind = "bandwidth"   // responses are slow
	Absence    Kind = "absence"     // every process of a binary is stopped, and started after a while
	Failover   Kind = "failover"    // a standby that lags is promoted: PostgreSQL loses its last commits
	ReadOnly   Kind = "read-only"   // PostgreSQL's address leads to a standby for a while, and back
	Unlinked   Kind = "unlinked"    // the starters' group of KurrentDB delivers links instead of events, for a while
	Unfilled   Kind = "unfilled"    // the projection that fills the starters' stream is stopped for a while
	Rotation   Kind = "rotation"    // the payloads of workflows are encrypted with a new key from now on
)

// Fault is one fault of a process or an edge.
type Fault struct {
	At     time.Duration // since the schedule began
	For    time.Duration // how long it lasts; 0 if it is over immediately
	Kind   Kind
	Target string
	Toxic  rig.Toxic // on an edge
}

// String describes the fault in one line.
func (f Fault) String() string {
	text := fmt.Sprintf("%s %s", f.Kind, f.Target)
	if f.For > 0 {
		text += " for " + f.For.Round(time.Millisecond).String()
	}
	return text
}

// kind is how faults of a kind are generated and carried out.
type kind struct {
	name      Kind
	perMinute map[string]float64 // by the prefix of a target's name or, for an edge to a store, by its suffix
	duration  func(r *rand.Rand, longest time.Duration) time.Duration
	toxic     func(r *rand.Rand) rig.Toxic // nil means that it applies to the process
	do        func(ctx context.Context, r *rig.Rig, f Fault) error
}

// kinds returns the table. A rate applies to each target: two workers that are killed six
// times a minute die twelve times.
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
			// A new connection may exchange its handshake first: some bytes pass, so that
			// not every connection dies before its request.
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
			return rig.Toxic{Type: "bandwidth", Stream: rig.Downstream, Attributes: map[string]int{"rate": 4 + r.IntN(28)}} // KiB/s
		}},
		{name: Absence, do: absent, duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.Worker + "-1": 0.5}},
		{name: Failover, do: whole((*rig.Rig).Failover), duration: upTo(time.Second, 0.5), perMinute: map[string]float64{rig.Postgres: 0.2}},
		{name: Unlinked, do: whole((*rig.Rig).UnlinkGroup), duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.KurrentDB: 0.3}},
		{name: Unfilled, do: whole((*rig.Rig).StopProjection), duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.KurrentDB: 0.3}},
		{name: Rotation, do: rotated, perMinute: map[string]float64{rig.Temporal: 2}},
		{name: ReadOnly, do: whole((*rig.Rig).LeadToStandby), duration: upTo(2*time.Second, 1), perMinute: map[string]float64{rig.Postgres: 0.2}},
	}
}

// processes returns the rates of faults of processes: of each binary, and of each store.
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

// Kinds returns all kinds, for reports and flags.
func Kinds() []Kind {
	var all []Kind
	for _, k := range kinds() {
		all = append(all, k.name)
	}
	return all
}

// upTo draws a duration between the shortest and a share of the longest allowed.
func upTo(shortest time.Duration, share float64) func(*rand.Rand, time.Duration) time.Duration {
	return func(r *rand.Rand, longest time.Duration) time.Duration {
		most := max(time.Duration(float64(longest)*share), 2*shortest)
		return shortest + time.Duration(r.Int64N(int64(most-shortest)))
	}
}

// rate returns how often per minute a target breaks in this way.
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

func rotated(_ context.Context, r *rig.Rig, _ Fault) error { return r.RotateKeys() }

// absent stops every process of a binary, so that messages and timers pile up.
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

// wholeTimeout bounds faults that are completed after the window has ended: making a
// standby takes seconds.
const wholeTimeout = 2 * time.Minute

// whole wraps a fault of the rig that must be completed even if the window ends
// meanwhile.
func whole(do func(*rig.Rig, context.Context, time.Duration) error) func(context.Context, *rig.Rig, Fault) error {
	return func(ctx context.Context, r *rig.Rig, f Fault) error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wholeTimeout)
		defer cancel()
		return do(r, ctx, f.For)
	}
}

// passing adds a toxic to an edge for a while.
func passing(ctx context.Context, r *rig.Rig, f Fault) error {
	edge := r.Edge(f.Target)
	if err := edge.Add(ctx, f.Toxic); err != nil {
		return err
	}
	wait(ctx, f.For)
	return edge.Remove(context.WithoutCancel(ctx), f.Toxic.Name)
}

// cutOff kills a process that has requests in flight which will never arrive.
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
