package main

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/startertest"
	"orderflow/internal/config"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
	"orderflow/internal/reconcile"
	"orderflow/internal/setup"
	"orderflow/workflows"
)

// comparedStores are stores of their own, whose orders nothing processes.
type comparedStores struct {
	t         *testing.T
	temporal  client.Client
	namespace string
	events    *kurrentsimtest.Secure
	admin     *kurrent.Client
	database  string // URL of its owner
}

func newComparedStores(t *testing.T) *comparedStores {
	t.Helper()
	s := &comparedStores{t: t, database: servers.Database(t), events: kurrentsimtest.StartSecure(t, kurrentsim.Options{},
		kurrentsimtest.User("reconcile", "orderflow-readers"), kurrentsimtest.User("worker", "orderflow-readers", "orderflow-writers"))}
	s.temporal, s.namespace = preparedNamespace(t)
	s.admin = s.as(kurrentsimtest.Admin)
	for stream, body := range map[string]string{
		"$settings": `{"$userStreamAcl":{"$r":["$admins","orderflow-readers"],"$w":["$admins","orderflow-writers"],"$d":"$admins",
			"$mr":["$admins","orderflow-readers"],"$mw":"$admins"}}`,
		"$$$all": `{"$acl":{"$r":["$admins","reconcile"]}}`,
	} {
		s.append(stream, kurrent.NewEvent{ID: uuid.New(), Type: "$metadata", Data: []byte(body)})
	}
	return s
}

func (s *comparedStores) as(user string) *kurrent.Client {
	s.t.Helper()
	c, err := kurrent.Open(kurrent.Config{URL: s.events.URLFor(user), CallTimeout: storeTimeout})
	require.NoError(s.t, err)
	s.t.Cleanup(c.Close)
	return c
}

func (s *comparedStores) append(stream string, event kurrent.NewEvent) {
	s.t.Helper()
	_, err := s.admin.Append(s.t.Context(), stream, kurrent.Any(), event)
	require.NoError(s.t, err)
}

// place places orders, and returns their ids.
func (s *comparedStores) place(count int) (ids []string) {
	s.t.Helper()
	for range count {
		id := startertest.NewOrderID()
		s.append(id, startertest.PlacedEvent(id))
		ids = append(ids, id)
	}
	return ids
}

// exec runs statements as the owner of the database.
func (s *comparedStores) exec(statements ...string) {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.database)
	require.NoError(s.t, err)
	defer func() { require.NoError(s.t, conn.Close(context.WithoutCancel(s.t.Context()))) }()
	for _, statement := range statements {
		_, err = conn.Exec(s.t.Context(), statement)
		require.NoError(s.t, err, statement)
	}
}

// role creates a role that may only compare, and returns the URL of the database for it.
func (s *comparedStores) role() string {
	s.t.Helper()
	name := "reconcile_" + strings.ReplaceAll(uuid.NewString(), "-", "")
	s.exec("CREATE ROLE "+name+" LOGIN PASSWORD 'secret'", "SELECT orderflow_grant_reconcile('"+name+"')")
	u, err := url.Parse(s.database)
	require.NoError(s.t, err)
	u.User = url.UserPassword(name, "secret")
	return u.String()
}

// schedule runs a setup, and returns the schedule's handle. The interval is too long for
// the schedule to start anything during a test.
func (s *comparedStores) schedule() client.ScheduleHandle {
	s.t.Helper()
	report := setup.Run(s.t.Context(), setup.Options{Logger: slog.New(slog.DiscardHandler), Wait: longEnough, Temporal: &setup.TemporalOptions{
		Client: s.temporal, Namespace: s.namespace, Reconcile: setup.Reconcile{Every: 87600 * time.Hour},
	}})
	require.Zero(s.t, report.Count(setup.Failed, setup.Refused), "%+v", report.Steps)
	return s.temporal.ScheduleClient().GetHandle(s.t.Context(), workflows.ReconcileSchedule)
}

// started waits until a schedule has started as many workflows, and returns the newest.
func started(t *testing.T, handle client.ScheduleHandle, count int) client.ScheduleActionResult {
	t.Helper()
	var newest client.ScheduleActionResult
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		described, err := handle.Describe(t.Context())
		require.NoError(c, err)
		require.Len(c, described.Info.RecentActions, count)
		newest = described.Info.RecentActions[count-1]
	}, longEnough, 50*time.Millisecond)
	return newest
}

// A worker of this queue alone has users of its own, which may write nothing.
func TestReconciliation_Schedule(t *testing.T) {
	s := newComparedStores(t)
	s.place(3)
	s.exec(`INSERT INTO order_fulfillment (order_id, customer_id, status, total_minor, currency, source_event_id, placed_at)
		VALUES ('order-never-placed', 'customer-7', 'fulfilling', 24200, 'USD', 'e', now())`)
	handle := s.schedule()
	d := startWorker(t, "WORKER_QUEUES=order-reconcile", "EMAIL_FROM=", "KURRENTDB_ALLOW_PLAINTEXT=",
		"KURRENTDB_URL="+s.events.URLFor("reconcile"), "POSTGRES_URL="+s.role())
	require.JSONEq(t, `{"worker":"ok","temporal":"ok","postgres":"ok","kurrentdb":"ok"}`, d.Await("/readyz", http.StatusOK))
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	run := started(t, handle, 1).StartWorkflowResult

	ctx, cancel := context.WithTimeout(t.Context(), longEnough)
	defer cancel()
	var found activities.Reconciled
	require.NoError(t, s.temporal.GetWorkflow(ctx, run.WorkflowID, run.FirstExecutionRunID).Get(ctx, &found))
	none := map[string]int{
		"missing": 0, "extra": 1, "held": 0, "lost": 0, "conflict": 0, "stuck": 0, "undelivered": 0, "unlinked": 0,
	}
	require.Equal(t, activities.Reconciled{
		Young: 3, Found: none, Left: none, // the user may not read the parked events
		Differences: []activities.ReconciledOrder{{OrderID: "order-never-placed", Kind: "extra"}},
	}, found)

	gate, err := s.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{TaskQueue: workflows.ReconcileTaskQueue}, workflows.DeploymentGateType)
	require.NoError(t, err)
	var checked activities.CheckedStores
	require.NoError(t, gate.Get(ctx, &checked))
	require.Equal(t, activities.CheckedStores{"postgres": "ok", "kurrentdb": "ok"}, checked)
	require.NoError(t, d.Stop())
	require.NotContains(t, d.Log(), "permission denied")

	metrics := startWorker(t, "KURRENTDB_ALLOW_PLAINTEXT=", "KURRENTDB_URL="+s.events.URLFor("worker"), "POSTGRES_URL="+s.database)
	metrics.Await("/metrics", http.StatusOK, `orderflow_reconcile_differences{kind="extra"} 1`, `orderflow_reconcile_differences{kind="missing"} 0`,
		"orderflow_reconcile_completed_timestamp_seconds 1.")
	require.NoError(t, metrics.Stop())
}

// Without a worker, one run waits, and no other is started.
func TestReconciliation_Overlap(t *testing.T) {
	s := newComparedStores(t)
	handle := s.schedule()
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	started(t, handle, 1)
	require.NoError(t, handle.Trigger(t.Context(), client.ScheduleTriggerOptions{}))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		described, err := handle.Describe(t.Context())
		require.NoError(c, err)
		require.Equal(c, []int{1, 1}, []int{described.Info.NumActionsSkippedOverlap, len(described.Info.RunningWorkflows)})
	}, longEnough, 50*time.Millisecond)
}

// watchedRows notes the orders that are looked up, and interferes with one lookup.
type watchedRows struct {
	reconcile.Rows
	mu        sync.Mutex
	ids       []string
	interfere func(ctx context.Context, lookup int) error
}

func (r *watchedRows) FindFulfillments(ctx context.Context, ids []string) ([]fulfillment.Row, error) {
	r.mu.Lock()
	lookup := len(r.ids)
	r.ids = append(r.ids, ids...)
	r.mu.Unlock()
	if err := r.interfere(ctx, lookup); err != nil {
		return nil, err
	}
	return r.Rows.FindFulfillments(ctx, ids)
}

func (r *watchedRows) seen() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids)
}

// host runs a worker whose comparisons save their progress as often as they can, and skip
// no young orders.
func (s *comparedStores) host(rows *watchedRows) worker.Worker {
	s.t.Helper()
	pool, err := postgres.Open(s.t.Context(), postgres.Config{URL: s.database, MaxConns: 4})
	require.NoError(s.t, err)
	s.t.Cleanup(pool.Close)
	if rows.Rows == nil {
		rows.Rows = postgres.NewFulfillments(pool, postgres.EmailRules{})
	}
	tuning, err := config.Load[config.Worker]([]string{"WORKER_QUEUES=order-reconcile"})
	require.NoError(s.t, err)
	compare := comparison{grace: -time.Hour, options: reconcile.Options{
		Temporal: s.temporal, Events: s.as("reconcile"), Rows: rows, Logger: slog.New(slog.DiscardHandler),
		Stream: "$ce-order", Group: "fulfillment", HeartbeatEvery: time.Nanosecond,
	}}
	hosting := newReconciliations(s.temporal, hosted{orders: &activities.Activities{}, reconciler: &activities.Reconciler{Comparison: compare}}, tuning, worker.Options{
		WorkerStopTimeout: longEnough, MaxHeartbeatThrottleInterval: 50 * time.Millisecond, DisableRegistrationAliasing: true,
	})
	require.NoError(s.t, hosting.Start())
	return hosting
}

func (s *comparedStores) compare() client.WorkflowRun {
	s.t.Helper()
	run, err := s.temporal.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: "reconcile-by-hand", TaskQueue: workflows.ReconcileTaskQueue,
	}, workflows.ReconciliationType, workflows.ReconciliationInput{})
	require.NoError(s.t, err)
	return run
}

// requireCompared requires that all orders are missing, and that none of the first two was
// looked up by an attempt that resumed after them.
func (s *comparedStores) requireCompared(run client.WorkflowRun, placed, resumed []string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), longEnough)
	defer cancel()
	var found activities.Reconciled
	require.NoError(s.t, run.Get(ctx, &found))
	require.Equal(s.t, []int{len(placed), len(placed), 0}, []int{found.Checked, found.Left["missing"], found.Young})
	require.Len(s.t, found.Differences, len(placed))
	require.NotEmpty(s.t, resumed)
	for _, id := range placed[:2] {
		require.NotContains(s.t, resumed, id, "the second attempt begins at the position of the first")
	}
	require.Contains(s.t, resumed, placed[len(placed)-1])
}

func TestReconciliation_Resume(t *testing.T) {
	t.Run("after an attempt that failed", func(t *testing.T) {
		s := newComparedStores(t)
		placed := s.place(5)
		var first []string
		var rows *watchedRows
		failed := false
		rows = &watchedRows{interfere: func(_ context.Context, lookup int) error {
			if !failed && slices.Contains(rows.seen(), placed[3]) {
				failed, first = true, rows.seen()
				return errors.New("connection refused")
			}
			return nil
		}}
		hosting := s.host(rows)
		defer hosting.Stop()
		run := s.compare()
		s.requireCompared(run, placed, func() []string {
			var found activities.Reconciled
			require.NoError(t, run.Get(t.Context(), &found))
			return rows.seen()[len(first):]
		}())
		require.True(t, failed)
	})
	t.Run("on another worker, after the first was stopped", func(t *testing.T) {
		s := newComparedStores(t)
		placed := s.place(5)
		reached := make(chan struct{})
		var rows *watchedRows
		rows = &watchedRows{interfere: func(ctx context.Context, lookup int) error {
			if !slices.Contains(rows.seen(), placed[3]) {
				return nil
			}
			close(reached)
			<-ctx.Done()
			return ctx.Err()
		}}
		hosting := s.host(rows)
		run := s.compare()
		<-reached
		hosting.Stop()
		other := &watchedRows{interfere: func(context.Context, int) error { return nil }}
		next := s.host(other)
		defer next.Stop()
		require.NoError(t, run.Get(t.Context(), nil))
		s.requireCompared(run, placed, other.seen())
	})
}

func TestReconciliation_Cancel(t *testing.T) {
	s := newComparedStores(t)
	s.place(3)
	reached := make(chan struct{})
	once := sync.OnceFunc(func() { close(reached) })
	hosting := s.host(&watchedRows{interfere: func(ctx context.Context, _ int) error {
		once()
		<-ctx.Done()
		return ctx.Err()
	}})
	defer hosting.Stop()
	run := s.compare()
	<-reached
	require.NoError(t, s.temporal.CancelWorkflow(t.Context(), run.GetID(), ""))
	var canceled *temporal.CanceledError
	require.ErrorAs(t, run.Get(t.Context(), nil), &canceled)
}

func TestReconciliation_InvalidInput(t *testing.T) {
	s := newComparedStores(t)
	hosting := s.host(&watchedRows{interfere: func(context.Context, int) error { return nil }})
	defer hosting.Stop()
	run, err := s.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: workflows.ReconcileTaskQueue},
		workflows.ReconciliationType, workflows.ReconciliationInput{WindowSeconds: -1})
	require.NoError(t, err)
	require.ErrorContains(t, run.Get(t.Context(), nil), "windowSeconds: must be from 0 to ")
}
