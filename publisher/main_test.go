package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

const (
	waitLong = 90 * time.Second // generous: on an idle machine it happens soon
	waitTick = 10 * time.Millisecond
)

var (
	cluster  *devserver.Postgres // shared by most tests, each with its own database and slot
	rigCount atomic.Int64        // rigs created so far
	scratch  string              // a directory shared by all tests
)

func TestMain(m *testing.M) {
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (int, error) {
	dir, err := os.MkdirTemp("", "orderflow-publisher-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	scratch = dir
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cluster, err = devserver.StartPostgres(ctx, devserver.PostgresOptions{Dir: filepath.Join(dir, "postgres"), Fast: true, Settings: map[string]string{
		"max_replication_slots": "100", "max_wal_senders": "50",
	}})
	if err != nil {
		return 1, err
	}
	if err := makeTemplate(ctx); err != nil {
		return 1, err
	}
	code := m.Run()
	stopping, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	if err := cluster.Stop(stopping); err != nil {
		return 1, err
	}
	return code, goleak.Find()
}

func makeTemplate(ctx context.Context) error {
	conn, err := pgx.Connect(ctx, cluster.URL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, "CREATE DATABASE migrated"); err != nil {
		return err
	}
	return postgres.Migrate(ctx, databaseURL("migrated"), slog.New(slog.DiscardHandler))
}

func databaseURL(name string) string {
	address, err := url.Parse(cluster.URL)
	if err != nil {
		panic(err)
	}
	address.Path = "/" + name
	return address.String()
}

// publisherRig holds one test's database, event store and publisher settings.
type publisherRig struct {
	t            *testing.T
	name         string // of the database and the slot
	url          string
	db           *pgx.Conn                  // for writes
	pool         *pgxpool.Pool              // for reads from any goroutine
	stores       map[string]*postgres.Store // by URL
	kurrentDB    string
	events       *kurrent.Client // for the test's own reads and appends, never through the proxy
	throughProxy *kurrent.Client // the publishers' client, if it differs from events
	settings     publisher       // of the publishers to start
	metrics      *metrics
}

// newPublisherRig marks the test as parallel and returns a rig with its own database in
// the shared cluster.
func newPublisherRig(t *testing.T) *publisherRig {
	t.Helper()
	t.Parallel()
	return newSecondRig(t)
}

// newRigOnDatabase returns a rig on a migrated database.
func newRigOnDatabase(t *testing.T, name, url string) *publisherRig {
	t.Helper()
	rig := &publisherRig{t: t, name: name, url: url, stores: map[string]*postgres.Store{}}
	var err error
	rig.db, err = pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = rig.db.Close(context.WithoutCancel(t.Context())) })
	rig.pool, err = pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(rig.pool.Close)
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	rig.metrics = newMetrics(prometheus.NewRegistry())
	rig.settings = publisher{window: 64, shutdownTimeout: 20 * time.Second, intervals: intervals{Confirm: 20 * time.Millisecond, Prune: 50 * time.Millisecond}}
	rig.useEventStore(server.URL())
	t.Cleanup(rig.dropSlot)
	return rig
}

// newSecondRig returns another rig for a test that already has one.
func newSecondRig(t *testing.T) *publisherRig {
	t.Helper()
	name := fmt.Sprintf("test_%d", rigCount.Add(1))
	admin, err := pgx.Connect(t.Context(), cluster.URL)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE migrated")
	require.NoError(t, errors.Join(err, admin.Close(t.Context())))
	return newRigOnDatabase(t, name, databaseURL(name))
}

// newRigOnServer migrates the server's default database and returns a rig on it.
func newRigOnServer(t *testing.T, url string) *publisherRig {
	t.Helper()
	require.NoError(t, postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)))
	return newRigOnDatabase(t, "orderflow", url)
}

// reconnect must be called after the database was restarted.
func (rig *publisherRig) reconnect() {
	rig.t.Helper()
	_ = rig.db.Close(context.Background())
	rig.pool.Reset()
	var err error
	rig.db, err = pgx.Connect(rig.t.Context(), rig.url)
	require.NoError(rig.t, err)
}

// useEmptyEventStore replaces the event store by an empty one, as after a loss without a
// backup.
func (rig *publisherRig) useEmptyEventStore() {
	rig.t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(rig.t, err)
	rig.t.Cleanup(func() { require.NoError(rig.t, server.Stop(context.Background())) })
	rig.useEventStore(server.URL())
}

// tombstone hard-deletes a stream.
func (rig *publisherRig) tombstone(stream string) {
	rig.t.Helper()
	settings, err := kurrentdb.ParseConnectionString(rig.kurrentDB)
	require.NoError(rig.t, err)
	client, err := kurrentdb.NewClient(settings)
	require.NoError(rig.t, err)
	defer func() { _ = client.Close() }()
	_, err = client.TombstoneStream(rig.t.Context(), stream, kurrentdb.TombstoneStreamOptions{StreamState: kurrentdb.Any{}})
	require.NoError(rig.t, err)
}

// setMaxCount limits a stream to its newest events.
func (rig *publisherRig) setMaxCount(stream string, events uint64) {
	rig.t.Helper()
	settings, err := kurrentdb.ParseConnectionString(rig.kurrentDB)
	require.NoError(rig.t, err)
	client, err := kurrentdb.NewClient(settings)
	require.NoError(rig.t, err)
	defer func() { _ = client.Close() }()
	var metadata kurrentdb.StreamMetadata
	metadata.SetMaxCount(events)
	_, err = client.SetStreamMetadata(rig.t.Context(), stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, metadata)
	require.NoError(rig.t, err)
}

// gatherGauges returns the gauges as a scrape sees them.
func gatherGauges(t require.TestingT, r *running) map[string]float64 {
	registry := prometheus.NewRegistry()
	registry.MustRegister(gauges{r.publisher, r.logger})
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		values[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
	}
	return values
}

// useEventStore points publishers started from now on at an event store.
func (rig *publisherRig) useEventStore(url string) {
	rig.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: 5 * time.Second, Connections: concurrentAppends})
	require.NoError(rig.t, err)
	rig.t.Cleanup(events.Close)
	rig.kurrentDB, rig.events = url, events
}

// execWhenSlotFree executes a statement on the slot once the server has noticed that its
// reader disconnected.
func (rig *publisherRig) execWhenSlotFree(sql string, args ...any) {
	rig.t.Helper()
	rig.awaitFreeSlot()
	rig.exec(sql, args...)
}

func (rig *publisherRig) awaitFreeSlot() {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.False(c, query[bool](c, rig, "SELECT coalesce(bool_or(active), false) FROM pg_replication_slots WHERE slot_name = $1", rig.name))
	}, waitLong, waitTick)
}

// dropSlot frees the slot for other tests.
func (rig *publisherRig) dropSlot() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, rig.url)
	if err != nil {
		return // the server is gone, and so is the slot
	}
	defer func() { _ = conn.Close(ctx) }()
	for left := 1; left > 0 && ctx.Err() == nil; pause(ctx, waitTick) { // the server may not have noticed yet that the reader disconnected
		_, _ = conn.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active", rig.name)
		if conn.QueryRow(ctx, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", rig.name).Scan(&left) != nil {
			return
		}
	}
}

// running is a publisher that runs in this process.
type running struct {
	*publisher
	rig    *publisherRig
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// publish runs a publisher until stop is called, or the test ends.
func (rig *publisherRig) publish() *running {
	rig.t.Helper()
	store, err := postgres.Open(rig.t.Context(), postgres.Config{URL: rig.url, MaxConns: poolConnections, CallTimeout: 20 * time.Second})
	require.NoError(rig.t, err)
	r := &running{rig: rig, done: make(chan struct{}), publisher: &publisher{
		events: cmp.Or(rig.throughProxy, rig.events), store: store, slot: rig.name, window: rig.settings.window, retention: rig.settings.retention,
		intervals: rig.settings.intervals, shutdownTimeout: rig.settings.shutdownTimeout, metrics: rig.metrics, logger: testLogger(rig.t),
	}}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		defer store.Close()
		r.err = r.run(ctx)
	}()
	rig.t.Cleanup(func() { cancel(); <-r.done })
	return r
}

func testLogger(t *testing.T) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}

// stop shuts the publisher down gracefully.
func (r *running) stop() {
	r.rig.t.Helper()
	r.cancel()
	<-r.done
	require.NoError(r.rig.t, r.err)
}

func (r *running) awaitPhase(phase int32) {
	r.rig.t.Helper()
	require.Eventually(r.rig.t, func() bool { return r.phase.Load() == phase }, waitLong, time.Millisecond)
}

// hasInFlight reports whether a version is in flight.
func (r *running) hasInFlight() bool {
	inFlight := r.inFlight.Load()
	if inFlight == nil {
		return false
	}
	since, _ := inFlight.oldest()
	return !since.IsZero()
}

// lagNow returns the lag as a scrape sees it.
func (r *running) lagNow() time.Duration {
	r.rig.t.Helper()
	lag, err := r.lag(r.rig.t.Context())
	require.NoError(r.rig.t, err)
	return lag
}

func (rig *publisherRig) exec(sql string, args ...any) {
	rig.t.Helper()
	_, err := rig.db.Exec(rig.t.Context(), sql, args...)
	require.NoError(rig.t, err, sql)
}

// value reads one value.
func value[T any](rig *publisherRig, sql string, args ...any) (v T) {
	rig.t.Helper()
	return query[T](rig.t, rig, sql, args...)
}

// query reads one value for a polling assertion, which repeats a failed query.
func query[T any](t require.TestingT, rig *publisherRig, sql string, args ...any) (v T) {
	require.NoError(t, rig.pool.QueryRow(rig.t.Context(), sql, args...).Scan(&v), sql)
	return v
}

const insertOrder = `INSERT INTO order_fulfillment
	(order_id, customer_id, status, reason, total_minor, currency, shipping_method, recipient_name, address_lines, source_event_id, placed_at)
	VALUES ($1, 'customer-7', $2, $3, 488549, 'USD', 'express', 'canary-name', '{canary-street}', 'source-1', '2025-01-01T01:11:30Z')`

// approve inserts the fulfillment rows of orders.
func (rig *publisherRig) approve(orders ...string) {
	rig.t.Helper()
	for _, id := range orders {
		rig.exec(insertOrder, id, "fulfilling", nil)
	}
}

func (rig *publisherRig) ship(id string) {
	rig.t.Helper()
	rig.exec(`UPDATE order_fulfillment SET status = 'shipped', carrier = 'DHL', tracking_number = '42' WHERE order_id = $1`, id)
}

func (rig *publisherRig) cancelOrder(id string) {
	rig.t.Helper()
	rig.exec(`UPDATE order_fulfillment SET status = 'cancelled', reason = 'CANCELLED' WHERE order_id = $1`, id)
}

// change writes another version of an order in fulfillment.
func (rig *publisherRig) change(id, method string) {
	rig.t.Helper()
	rig.exec(`UPDATE order_fulfillment SET shipping_method = $2 WHERE order_id = $1`, id, method)
}

// approveMany inserts n orders, each in its own transaction: prefix-0, prefix-1...
func (rig *publisherRig) approveMany(prefix string, n int) {
	rig.t.Helper()
	batch := &pgx.Batch{}
	for i := range n {
		batch.Queue("BEGIN")
		batch.Queue(insertOrder, fmt.Sprintf("%s-%d", prefix, i), "fulfilling", nil)
		batch.Queue("COMMIT")
	}
	require.NoError(rig.t, rig.db.SendBatch(rig.t.Context(), batch).Close())
}

// types returns the event types of an order's stream in stream order.
func (rig *publisherRig) types(id string) []string {
	rig.t.Helper()
	return rig.typesFor(rig.t, id)
}

func (rig *publisherRig) typesFor(t require.TestingT, id string) []string {
	types := []string{}
	err := rig.events.ReadStream(rig.t.Context(), "fulfillment-"+id, 0, 0, func(e kurrent.Event) error {
		types = append(types, e.Type)
		return nil
	})
	if !errors.Is(err, kurrent.ErrNotFound) {
		require.NoError(t, err)
	}
	return types
}

func (rig *publisherRig) awaitTypes(id string, want ...string) {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) { require.Equal(c, want, rig.typesFor(c, id)) }, waitLong, waitTick)
}

// awaitAll waits until every version in the history is the event of the same revision in
// its order's stream, and there are no other events.
func (rig *publisherRig) awaitAll() {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.Empty(c, differences(rig.versions(c), rig.published(c)))
	}, waitLong, 50*time.Millisecond)
}

// never requires that happens stays false for the given time. It polls in this goroutine:
// testify's Never leaves a goroutine behind that could outlive the test.
func never(t *testing.T, happens func() bool, during time.Duration, about ...any) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); pause(t.Context(), waitTick) {
		require.False(t, happens(), about...)
	}
}

// differences describes the first few orders whose versions and events differ.
func differences(versions, events map[string][]string) []string {
	const enough = 5
	var found []string
	for id := range versions {
		if !slices.Equal(versions[id], events[id]) && len(found) < enough {
			found = append(found, fmt.Sprintf("%s: versions %v, events %v", id, versions[id], events[id]))
		}
	}
	for id := range events {
		if versions[id] == nil && len(found) < enough {
			found = append(found, fmt.Sprintf("%s: no versions, events %v", id, events[id]))
		}
	}
	return found
}

// versions returns the history by order.
func (rig *publisherRig) versions(t require.TestingT) map[string][]string {
	rows, err := rig.pool.Query(rig.t.Context(), "SELECT order_id, array_agg(event_type || ' ' || revision ORDER BY revision) FROM order_fulfillment_history GROUP BY order_id")
	require.NoError(t, err)
	all := map[string][]string{}
	var id string
	var types []string
	_, err = pgx.ForEachRow(rows, []any{&id, &types}, func() error {
		all[id] = types
		return nil
	})
	require.NoError(t, err)
	return all
}

// published returns the events of every stream by order.
func (rig *publisherRig) published(t require.TestingT) map[string][]string {
	all := map[string][]string{}
	err := rig.events.ReadStream(rig.t.Context(), "$streams", 0, 0, func(link kurrent.Event) error {
		stream, _, ok := kurrent.LinkTarget(link)
		if !ok || len(stream) < len("fulfillment-") || stream[:len("fulfillment-")] != "fulfillment-" {
			return nil
		}
		return rig.events.ReadStream(rig.t.Context(), stream, 0, 0, func(e kurrent.Event) error {
			var data domainEvent
			if err := json.Unmarshal(e.Data, &data); err != nil {
				return err
			}
			all[data.OrderID] = append(all[data.OrderID], fmt.Sprintf("%s %d", e.Type, data.Revision))
			if int64(e.Revision) != data.Revision {
				all[data.OrderID] = append(all[data.OrderID], fmt.Sprintf("found at revision %d", e.Revision))
			}
			return nil
		})
	})
	if !errors.Is(err, kurrent.ErrNotFound) {
		require.NoError(t, err)
	}
	return all
}

func (rig *publisherRig) count(r result) int {
	return int(testutil.ToFloat64(rig.metrics.events.WithLabelValues(string(r))))
}

// awaitAtLeast waits until at least so many versions have this result. A version that is
// read twice counts twice, and it counts a moment after its event is appended.
func (rig *publisherRig) awaitAtLeast(want int, r result) {
	rig.t.Helper()
	require.Eventually(rig.t, func() bool { return rig.count(r) >= want }, waitLong, waitTick, r)
}

// awaitReason waits until an order is set aside with this code.
func (rig *publisherRig) awaitReason(order, want string) {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) { require.Equal(c, want, rig.reason(order)) }, waitLong, waitTick, "%q", order)
}

// awaitConfirmed waits until everything the server has written by now is confirmed,
// except for the last idleBytes.
func (rig *publisherRig) awaitConfirmed() {
	rig.t.Helper()
	end := value[string](rig, "SELECT pg_current_wal_insert_lsn()::text")
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.True(c, query[bool](c, rig, "SELECT confirmed_flush_lsn + $2::numeric >= $3::text::pg_lsn FROM pg_replication_slots WHERE slot_name = $1",
			rig.name, idleBytes, end))
	}, waitLong, waitTick)
}
