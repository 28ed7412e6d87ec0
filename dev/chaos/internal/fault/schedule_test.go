package fault_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/chaos/internal/fault"
	"orderflow/dev/chaos/internal/rig"
)

func plan(seed uint64, window time.Duration) fault.Plan {
	p := fault.Plan{Seed: seed, Window: window, Processes: append(rig.Stores(), "worker-1", "worker-2", "starter-1", "starter-2", "api-1")}
	for _, worker := range []string{"worker-1/", "worker-2/"} {
		for _, store := range rig.Stores() {
			p.Edges = append(p.Edges, worker+store)
		}
	}
	for _, starter := range []string{"starter-1/", "starter-2/"} {
		p.Edges = append(p.Edges, starter+rig.Temporal, starter+rig.KurrentDB)
	}
	for _, store := range []string{rig.Temporal, rig.KurrentDB, rig.Postgres} {
		p.Edges = append(p.Edges, "api-1/"+store)
	}
	p.Edges = append(p.Edges, rig.Client+"/api-1")
	return p
}

func TestSchedule_SameSeed(t *testing.T) {
	t.Parallel()
	require.Equal(t, fault.Schedule(plan(7, time.Minute)), fault.Schedule(plan(7, time.Minute)))
	require.NotEqual(t, fault.Schedule(plan(7, time.Minute)), fault.Schedule(plan(8, time.Minute)))
}

func TestSchedule_MinuteHasEveryKindAndTarget(t *testing.T) {
	t.Parallel()
	p := plan(1, time.Minute)
	schedule := fault.Schedule(p)
	for _, kind := range []fault.Kind{fault.Kill, fault.Pause, fault.Restart} {
		for _, process := range p.Processes {
			require.True(t, has(schedule, kind, process), "%s %s", kind, process)
		}
	}
	for _, store := range rig.Stores() {
		require.True(t, has(schedule, fault.Outage, store), "outage %s", store)
		require.False(t, has(schedule, fault.CutOff, store), "cut-off %s", store)
	}
	for _, store := range rig.Stores() {
		for _, kind := range []fault.Kind{fault.Failover, fault.ReadOnly} {
			require.Equal(t, store == rig.Postgres, has(schedule, kind, store), "%s %s", kind, store)
		}
		for _, kind := range []fault.Kind{fault.Unlinked, fault.Unfilled} {
			require.Equal(t, store == rig.KurrentDB, has(schedule, kind, store), "%s %s", kind, store)
		}
	}
	require.True(t, has(schedule, fault.Absence, "worker-1"))
	require.False(t, has(schedule, fault.Absence, "worker-2"), "it is done to both")
	require.True(t, has(schedule, fault.CutOff, "worker-1"))
	require.True(t, has(schedule, fault.CutOff, "starter-2"))
	require.False(t, has(schedule, fault.Kill, rig.Client+"/api-1"), "a way is no process")
	for _, kind := range []fault.Kind{fault.Reset, fault.LostAnswer, fault.Blackhole, fault.Latency, fault.Bandwidth} {
		for _, edge := range p.Edges {
			require.True(t, has(schedule, kind, edge), "%s %s", kind, edge)
		}
	}
	require.Len(t, fault.Kinds(), 16, "a kind that is new belongs into this test")
}

func has(schedule []fault.Fault, kind fault.Kind, target string) bool {
	return slices.ContainsFunc(schedule, func(f fault.Fault) bool { return f.Kind == kind && f.Target == target })
}

func TestSchedule_OrderedWithinWindow(t *testing.T) {
	t.Parallel()
	for _, window := range []time.Duration{10 * time.Second, time.Minute, 10 * time.Minute} {
		var last time.Duration
		names := map[string]bool{}
		for _, f := range fault.Schedule(plan(3, window)) {
			require.GreaterOrEqual(t, f.At, last)
			require.Less(t, f.At, window)
			require.LessOrEqual(t, f.For, 20*time.Second)
			last = f.At
			if strings.Contains(f.Target, "/") {
				require.NotEmpty(t, f.Toxic.Type)
				require.False(t, names[f.Toxic.Name], "two toxics of an edge may be on at once: %s", f.Toxic.Name)
				names[f.Toxic.Name] = true
			}
		}
	}
}

func TestSchedule_LongerWindowHasMoreFaults(t *testing.T) {
	t.Parallel()
	minute, ten := fault.Schedule(plan(3, time.Minute)), fault.Schedule(plan(3, 10*time.Minute))
	require.Greater(t, len(ten), 7*len(minute))
}

func TestSchedule_OnlyGivenKinds(t *testing.T) {
	t.Parallel()
	p := plan(3, time.Minute)
	p.Kinds = []fault.Kind{fault.LostAnswer}
	for _, f := range fault.Schedule(p) {
		require.Equal(t, fault.LostAnswer, f.Kind)
	}
	p.Kinds = []fault.Kind{}
	require.Empty(t, fault.Schedule(p), "none at all")
}
