package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// metricsWorker is the part of a worker that exports global metrics, with two counts that
// the test sets.
type metricsWorker struct {
	*globalMetrics
	registry *prometheus.Registry
	broken   error // of the second count
}

func newMetricsWorker(leases leaseStore) *metricsWorker {
	w := &metricsWorker{registry: prometheus.NewRegistry()}
	count := func(name string, fails func() error) globalCount {
		return globalCount{
			name: name, desc: prometheus.NewDesc(name, "A count.", []string{"by"}, nil),
			count: func(context.Context) (map[string]int64, error) { return map[string]int64{"x": 3}, fails() },
		}
	}
	counts := []globalCount{count("first", func() error { return nil }), count("second", func() error { return w.broken })}
	w.globalMetrics = newGlobalMetrics(leases, counts, w.registry, slog.New(slog.DiscardHandler))
	return w
}

// exports returns the counts that a scrape of the worker has, after the lease's own
// metric.
func (w *metricsWorker) exports(t *testing.T) []string {
	t.Helper()
	families, err := w.registry.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		if !strings.HasPrefix(f.GetName(), "orderflow_") {
			names = append(names, f.GetName())
		}
	}
	slices.Sort(names)
	return names
}

// freeLease ends any lease that an earlier test left.
func freeLease(t *testing.T) {
	t.Helper()
	databaseLock.Lock()
	defer databaseLock.Unlock()
	_, err := shared.database.Exec(t.Context(), "DELETE FROM orderflow_lease")
	require.NoError(t, err)
}

func TestGlobalMetrics(t *testing.T) {
	t.Run("one of two workers exports them", func(t *testing.T) {
		freeLease(t)
		a, b := newMetricsWorker(shared.pool), newMetricsWorker(shared.pool)
		require.Empty(t, a.exports(t), "nothing is known before the first count")
		a.collectCounts(t.Context())
		b.collectCounts(t.Context())
		require.Equal(t, []string{"first", "second"}, a.exports(t))
		require.Empty(t, b.exports(t))
		require.Equal(t, 2, testutil.CollectAndCount(a, "first", "second"))
	})
	t.Run("another worker takes over at once from one that stops", func(t *testing.T) {
		freeLease(t)
		a, b := newMetricsWorker(shared.pool), newMetricsWorker(shared.pool)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			a.run(ctx)
		}()
		require.Eventually(t, func() bool { return len(a.exports(t)) == 2 }, longEnough, time.Millisecond)
		stop()
		<-ended
		require.Empty(t, a.exports(t))
		b.collectCounts(t.Context())
		require.Equal(t, []string{"first", "second"}, b.exports(t))
	})
	t.Run("a worker that lost the lease exports nothing", func(t *testing.T) {
		freeLease(t)
		a, b := newMetricsWorker(shared.pool), newMetricsWorker(shared.pool)
		a.collectCounts(t.Context())
		freeLease(t) // like a failover that loses the last commits
		b.collectCounts(t.Context())
		a.collectCounts(t.Context())
		require.Empty(t, a.exports(t))
		require.Equal(t, []string{"first", "second"}, b.exports(t))
	})
	t.Run("a count that fails is absent from the start, and counted", func(t *testing.T) {
		freeLease(t)
		a := newMetricsWorker(shared.pool)
		a.broken = errors.New("no answer")
		a.collectCounts(t.Context())
		require.Equal(t, []string{"first"}, a.exports(t))
		require.InDelta(t, 1, testutil.ToFloat64(a.failed.WithLabelValues("second")), 0)
	})
}

// Inside the bubble the clock advances as the test says; the database's clock runs
// normally.
func TestGlobalMetricsAge(t *testing.T) {
	bubble := func(t *testing.T, test func(t *testing.T, pool *postgres.Pool)) {
		freeLease(t)
		synctest.Test(t, func(t *testing.T) {
			pool, err := postgres.Open(t.Context(), postgres.Config{URL: postgresURL(), MaxConns: 1})
			require.NoError(t, err)
			defer pool.Close()
			test(t, pool)
		})
	}
	t.Run("if the store does not answer, the lease lasts for its duration", func(t *testing.T) {
		bubble(t, func(t *testing.T, pool *postgres.Pool) {
			a := newMetricsWorker(pool)
			a.collectCounts(t.Context())
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			<-time.After(leaseDuration / 2)
			a.collectCounts(gone)
			require.Equal(t, []string{"first", "second"}, a.exports(t))
			<-time.After(leaseDuration / 2)
			a.collectCounts(gone)
			require.Empty(t, a.exports(t))
		})
	})
	t.Run("a count that is too old is absent", func(t *testing.T) {
		bubble(t, func(t *testing.T, pool *postgres.Pool) {
			a := newMetricsWorker(pool)
			a.collectCounts(t.Context())
			a.broken = errors.New("no answer")
			for range 4 {
				<-time.After(countEvery)
				a.collectCounts(t.Context())
				require.Equal(t, []string{"first", "second"}, a.exports(t))
			}
			<-time.After(countEvery)
			a.collectCounts(t.Context())
			require.Equal(t, []string{"first"}, a.exports(t))
		})
	})
}

// postgresURL is the database of the shared worker.
func postgresURL() string {
	for _, setting := range shared.environ {
		if url, ok := strings.CutPrefix(setting, "POSTGRES_URL="); ok {
			return url
		}
	}
	return ""
}

func TestStuckOrders(t *testing.T) {
	stuckAt := func(step string) client.WorkflowRun {
		key := temporal.NewSearchAttributeKeyKeyword(workflows.StuckAttribute)
		options := client.StartWorkflowOptions{ID: "stuck-" + uuid.NewString(), TaskQueue: "no-worker"}
		if step != "" {
			options.TypedSearchAttributes = temporal.NewSearchAttributes(key.ValueSet(step))
		}
		order, err := shared.temporal.ExecuteWorkflow(t.Context(), options, "Stuck")
		require.NoError(t, err)
		t.Cleanup(func() {
			_ = shared.temporal.TerminateWorkflow(context.WithoutCancel(t.Context()), order.GetID(), "", "") // it may be closed
		})
		return order
	}
	counts := stuckOrders(shared.temporal, client.DefaultNamespace, []string{"reserve-credit", "release-credit"})
	await := func(want map[string]int64) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			found, err := counts.count(t.Context())
			assert.NoError(c, err)
			assert.Equal(c, want, found)
		}, longEnough, 20*time.Millisecond)
	}
	stuckAt("")
	await(map[string]int64{"reserve-credit": 0, "release-credit": 0, "other": 0})
	first := stuckAt("reserve-credit")
	stuckAt("reserve-credit")
	stuckAt("a-step-of-a-newer-version")
	await(map[string]int64{"reserve-credit": 2, "release-credit": 0, "other": 1})
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), first.GetID(), "", "closed orders are not stuck"))
	await(map[string]int64{"reserve-credit": 1, "release-credit": 0, "other": 1})

	_, err := stuckOrders(shared.temporal, "nowhere", []string{"reserve-credit"}).count(t.Context())
	require.Error(t, err, "a failed count is not zero")
}

func TestLateOrders(t *testing.T) {
	counts := lateOrders(shared.temporal, client.DefaultNamespace)
	before, err := counts.count(t.Context())
	require.NoError(t, err)
	key := temporal.NewSearchAttributeKeyBool(workflows.LateAttribute)
	late, err := shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "late-" + uuid.NewString(), TaskQueue: "no-worker", TypedSearchAttributes: temporal.NewSearchAttributes(key.ValueSet(true)),
	}, workflows.OrderFulfillmentType)
	require.NoError(t, err)
	await := func(want int64) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			found, err := counts.count(t.Context())
			assert.NoError(c, err)
			assert.Equal(c, map[string]int64{"": want}, found)
		}, longEnough, 20*time.Millisecond)
	}
	await(before[""] + 1)
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), late.GetID(), "", "closed orders are not late"))
	await(before[""])
}

func TestHeldOrders(t *testing.T) {
	at := time.Now()
	counts := heldOrders(shared.temporal, client.DefaultNamespace, func() time.Time { return at })
	before, err := counts.count(t.Context())
	require.NoError(t, err)
	key := temporal.NewSearchAttributeKeyKeyword(workflows.StatusAttribute)
	held, err := shared.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: "held-" + uuid.NewString(), TaskQueue: "no-worker", TypedSearchAttributes: temporal.NewSearchAttributes(key.ValueSet("on-hold")),
	}, workflows.OrderFulfillmentType)
	require.NoError(t, err)
	await := func(want map[string]int64) {
		t.Helper()
		require.EventuallyWithT(t, func(c *assert.CollectT) {
			found, err := counts.count(t.Context())
			assert.NoError(c, err)
			assert.Equal(c, want, found)
		}, longEnough, 20*time.Millisecond)
	}
	n := before["0s"] + 1
	at = time.Now().Add(time.Minute)
	await(map[string]int64{"0s": n, "1h": 0, "24h": 0, "168h": 0})
	at = at.Add(25 * time.Hour)
	await(map[string]int64{"0s": n, "1h": n, "24h": n, "168h": 0})
	require.NoError(t, shared.temporal.TerminateWorkflow(t.Context(), held.GetID(), "", "closed orders are not held"))
	await(map[string]int64{"0s": n - 1, "1h": n - 1, "24h": n - 1, "168h": 0})
}
