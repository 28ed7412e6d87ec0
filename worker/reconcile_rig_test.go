package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
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
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/worker"

	"orderflow/activities"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/startertest"
	"orderflow/internal/config"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/payloadcodec"
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
	converter converter.DataConverter
	events    *kurrentsimtest.Secure
	admin     *kurrent.Client
	database  string // URL of its owner
	keys      string // file with the key of the payloads
}

func newComparedStores(t *testing.T) *comparedStores {
	t.Helper()
	s := &comparedStores{t: t, database: servers.Database(t), events: kurrentsimtest.StartSecure(t, kurrentsim.Options{},
		kurrentsimtest.User("reconcile", "orderflow-readers"), kurrentsimtest.User("worker", "orderflow-readers", "orderflow-writers"))}
	_, s.namespace = preparedNamespace(t)
	s.encrypt()
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

// encrypt opens the client of a namespace whose payloads are encrypted.
func (s *comparedStores) encrypt() {
	s.t.Helper()
	s.keys = filepath.Join(s.t.TempDir(), "keys")
	key := "a " + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte("k"), 32)) + "\n"
	require.NoError(s.t, os.WriteFile(s.keys, []byte(key), 0o600))
	var err error
	s.temporal, s.converter, err = openEncrypted(s.t.Context(), shared.temporal, s.namespace, s.keys)
	require.NoError(s.t, err)
}

// openEncrypted opens a client of a namespace that encrypts payloads with the keys of a
// file, on the connection of another client unless that is nil.
func openEncrypted(ctx context.Context, existing client.Client, namespace, keysFile string) (client.Client, converter.DataConverter, error) {
	keys, err := payloadcodec.OpenKeys(keysFile, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	options := client.Options{
		HostPort: os.Getenv("TEMPORAL_ADDRESS"), Namespace: namespace, Logger: slog.New(slog.DiscardHandler),
		DataConverter: payloadcodec.Converter(payloadcodec.New(keys)),
	}
	var opened client.Client
	if existing == nil {
		opened, err = client.DialContext(ctx, options)
	} else {
		opened, err = client.NewClientFromExistingWithContext(ctx, existing, options)
	}
	return opened, options.DataConverter, err
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

// watchedRows notes the orders that are looked up. interrupt, unless nil, is called at the
// first lookup of an order.
type watchedRows struct {
	reconcile.Rows
	at        string // the order
	interrupt func(ctx context.Context) error
	endless   func() // unless nil, is called for each page of rows, which then never end

	mu    sync.Mutex
	ids   []string
	after int // lookups up to and including the interrupted one
}

func (r *watchedRows) FindFulfillments(ctx context.Context, ids []string) ([]fulfillment.Row, error) {
	r.mu.Lock()
	r.ids = append(r.ids, ids...)
	interrupts := r.interrupt != nil && r.after == 0 && slices.Contains(ids, r.at)
	if interrupts {
		r.after = len(r.ids)
	}
	r.mu.Unlock()
	if interrupts {
		if err := r.interrupt(ctx); err != nil {
			return nil, err
		}
	}
	return r.Rows.FindFulfillments(ctx, ids)
}

func (r *watchedRows) ListFulfillments(
	ctx context.Context, after string, since time.Time, limit int,
) ([]fulfillment.Row, error) {
	if r.endless == nil {
		return r.Rows.ListFulfillments(ctx, after, since, limit)
	}
	r.endless()
	return []fulfillment.Row{{OrderID: r.at}}, ctx.Err()
}

// resumed returns the orders that were looked up after the interruption, if there was one.
func (r *watchedRows) resumed() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.ids[r.after:])
}

// stall returns an interruption that lasts until the comparison is told to end. It closes
// reached.
func stall(reached chan<- struct{}) func(context.Context) error {
	return func(ctx context.Context) error {
		close(reached)
		<-ctx.Done()
		return ctx.Err()
	}
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
	hosting, err := hostComparison(s.temporal, s.as("reconcile"), rows)
	require.NoError(s.t, err)
	require.NoError(s.t, hosting.Start())
	return hosting
}

func hostComparison(temporal client.Client, events *kurrent.Client, rows reconcile.Rows) (worker.Worker, error) {
	tuning, err := config.Load[config.Worker]([]string{"WORKER_QUEUES=order-reconcile"})
	if err != nil {
		return nil, err
	}
	compare := comparison{grace: -time.Hour, options: reconcile.Options{
		Temporal: temporal, Events: events, Rows: rows, Logger: slog.New(slog.DiscardHandler),
		Stream: "$ce-order", Group: "fulfillment", HeartbeatEvery: time.Nanosecond, Wait: reconcile.DefaultWait,
	}}
	return newReconciliations(temporal, hosted{orders: &activities.Activities{}, reconciler: &activities.Reconciler{Comparison: compare}}, tuning, worker.Options{
		WorkerStopTimeout: longEnough, MaxHeartbeatThrottleInterval: 50 * time.Millisecond, DisableRegistrationAliasing: true,
	}), nil
}

func (s *comparedStores) compare() client.WorkflowRun {
	s.t.Helper()
	run, err := s.temporal.ExecuteWorkflow(s.t.Context(), client.StartWorkflowOptions{
		ID: "reconcile-by-hand", TaskQueue: workflows.ReconcileTaskQueue,
	}, workflows.ReconciliationType, workflows.ReconciliationInput{})
	require.NoError(s.t, err)
	return run
}

// requireCompared requires that a run reports all orders as missing, and that its second
// attempt, which looked up rows, began at the position of the first.
func (s *comparedStores) requireCompared(run client.WorkflowRun, placed []string, rows *watchedRows) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), longEnough)
	defer cancel()
	var found activities.Reconciled
	require.NoError(s.t, run.Get(ctx, &found))
	require.Equal(s.t, []int{len(placed), len(placed), 0}, []int{found.Checked, found.Left["missing"], found.Young})
	require.Len(s.t, found.Differences, len(placed))
	resumed := rows.resumed()
	for _, id := range placed[:2] {
		require.NotContains(s.t, resumed, id)
	}
	require.Contains(s.t, resumed, placed[len(placed)-1])
}
