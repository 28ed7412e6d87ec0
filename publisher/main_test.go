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
	waitLong = 90 * time.Second // for what happens soon on a machine that has nothing else to do
	waitTick = 10 * time.Millisecond
)

var (
	cluster *devserver.Postgres // one for most tests, each of which has a database and a slot to itself
	worlds  atomic.Int64        // made so far
	scratch string              // a folder for all of them
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

// world is one test's database, event store and publisher.
type world struct {
	t           *testing.T
	name        string // of its database and its slot
	url         string
	db          *pgx.Conn                  // what changes something
	looks       *pgxpool.Pool              // what looks, at any time
	stores      map[string]*postgres.Store // by the URL they connect to
	kurrentDB   string
	events      *kurrent.Client // that looks behind the publishers
	throughProxy *kurrent.Client // theirs, when it is another
	settings    publisher       // what a publisher is made with
	metrics     *metrics
}

// newWorld runs the test beside others, in a database of the shared cluster.
func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorldBeside(t)
}

// worldOn makes a world on a migrated database.
func worldOn(t *testing.T, name, url string) *world {
	t.Helper()
	w := &world{t: t, name: name, url: url, stores: map[string]*postgres.Store{}}
	var err error
	w.db, err = pgx.Connect(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.db.Close(context.WithoutCancel(t.Context())) })
	w.looks, err = pgxpool.New(t.Context(), url)
	require.NoError(t, err)
	t.Cleanup(w.looks.Close)
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	w.metrics = newMetrics(prometheus.NewRegistry())
	w.settings = publisher{window: 64, budget: 20 * time.Second, pace: pace{Confirm: 20 * time.Millisecond, Prune: 50 * time.Millisecond}}
	w.use(server.URL())
	t.Cleanup(w.dropSlot)
	return w
}

// newWorldBeside makes another world for a test that has one.
func newWorldBeside(t *testing.T) *world {
	t.Helper()
	name := fmt.Sprintf("test_%d", worlds.Add(1))
	admin, err := pgx.Connect(t.Context(), cluster.URL)
	require.NoError(t, err)
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name+" TEMPLATE migrated")
	require.NoError(t, errors.Join(err, admin.Close(t.Context())))
	return worldOn(t, name, databaseURL(name))
}

// lonelyWorld makes a world on a server of its own.
func lonelyWorld(t *testing.T, url string) *world {
	t.Helper()
	require.NoError(t, postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)))
	return worldOn(t, "orderflow", url)
}

// reconnect is for a database that was restarted.
func (w *world) reconnect() {
	w.t.Helper()
	_ = w.db.Close(context.Background())
	w.looks.Reset()
	var err error
	w.db, err = pgx.Connect(w.t.Context(), w.url)
	require.NoError(w.t, err)
}

// useEmptyEventStore is what is left of an event store without a backup.
func (w *world) useEmptyEventStore() {
	w.t.Helper()
	server, err := kurrentsim.Start(kurrentsim.Options{})
	require.NoError(w.t, err)
	w.t.Cleanup(func() { require.NoError(w.t, server.Stop(context.Background())) })
	w.use(server.URL())
}

// tombstone deletes a stream for good.
func (w *world) tombstone(stream string) {
	w.t.Helper()
	settings, err := kurrentdb.ParseConnectionString(w.kurrentDB)
	require.NoError(w.t, err)
	client, err := kurrentdb.NewClient(settings)
	require.NoError(w.t, err)
	defer func() { _ = client.Close() }()
	_, err = client.TombstoneStream(w.t.Context(), stream, kurrentdb.TombstoneStreamOptions{StreamState: kurrentdb.Any{}})
	require.NoError(w.t, err)
}

// keep has a stream hold only its newest events.
func (w *world) keep(stream string, events uint64) {
	w.t.Helper()
	settings, err := kurrentdb.ParseConnectionString(w.kurrentDB)
	require.NoError(w.t, err)
	client, err := kurrentdb.NewClient(settings)
	require.NoError(w.t, err)
	defer func() { _ = client.Close() }()
	var metadata kurrentdb.StreamMetadata
	metadata.SetMaxCount(events)
	_, err = client.SetStreamMetadata(w.t.Context(), stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.Any{}}, metadata)
	require.NoError(w.t, err)
}

// gathered are the gauges as a scrape sees them.
func gathered(t require.TestingT, r *running) map[string]float64 {
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

// use points publishers that start from now on at an event store.
func (w *world) use(url string) {
	w.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: 5 * time.Second, Connections: appendsAtATime})
	require.NoError(w.t, err)
	w.t.Cleanup(events.Close)
	w.kurrentDB, w.events = url, events
}

// onFreeSlot runs a statement about the slot, once the server has noticed that its reader has gone.
func (w *world) onFreeSlot(sql string, args ...any) {
	w.t.Helper()
	w.awaitFreeSlot()
	w.exec(sql, args...)
}

func (w *world) awaitFreeSlot() {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		require.False(c, look[bool](c, w, "SELECT coalesce(bool_or(active), false) FROM pg_replication_slots WHERE slot_name = $1", w.name))
	}, waitLong, waitTick)
}

// dropSlot leaves room for other tests' slots.
func (w *world) dropSlot() {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, w.url)
	if err != nil {
		return // its server is gone, and the slot with it
	}
	defer func() { _ = conn.Close(ctx) }()
	for left := 1; left > 0 && ctx.Err() == nil; pause(ctx, waitTick) { // the server may not have noticed that its reader has gone
		_, _ = conn.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1 AND NOT active", w.name)
		if conn.QueryRow(ctx, "SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1", w.name).Scan(&left) != nil {
			return
		}
	}
}

// running is a publisher that runs in this process.
type running struct {
	*publisher
	w      *world
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// publish runs a publisher until stop is called, or the test ends.
func (w *world) publish() *running {
	w.t.Helper()
	store, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.url, MaxConns: poolConnections, CallTimeout: 20 * time.Second})
	require.NoError(w.t, err)
	r := &running{w: w, done: make(chan struct{}), publisher: &publisher{
		events: cmp.Or(w.throughProxy, w.events), store: store, slot: w.name, window: w.settings.window, retention: w.settings.retention,
		pace: w.settings.pace, budget: w.settings.budget, metrics: w.metrics, logger: testLogger(w.t),
	}}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		defer store.Close()
		r.err = r.run(ctx)
	}()
	w.t.Cleanup(func() { cancel(); <-r.done })
	return r
}

func testLogger(t *testing.T) *slog.Logger {
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}

// stop ends the publisher in good order.
func (r *running) stop() {
	r.w.t.Helper()
	r.cancel()
	<-r.done
	require.NoError(r.w.t, r.err)
}

func (r *running) awaitPhase(phase int32) {
	r.w.t.Helper()
	require.Eventually(r.w.t, func() bool { return r.phase.Load() == phase }, waitLong, time.Millisecond)
}

// waits reports whether a version is in flight and not answered.
func (r *running) waits() bool {
	flight := r.flight.Load()
	if flight == nil {
		return false
	}
	since, _ := flight.oldest()
	return !since.IsZero()
}

// lagNow is the lag as a scrape sees it.
func (r *running) lagNow() time.Duration {
	r.w.t.Helper()
	lag, err := r.lag(r.w.t.Context())
	require.NoError(r.w.t, err)
	return lag
}

func (w *world) exec(sql string, args ...any) {
	w.t.Helper()
	_, err := w.db.Exec(w.t.Context(), sql, args...)
	require.NoError(w.t, err, sql)
}

// value reads one value.
func value[T any](w *world, sql string, args ...any) (v T) {
	w.t.Helper()
	return look[T](w.t, w, sql, args...)
}

// look reads one value where something is waited for: another look follows one that fails.
func look[T any](t require.TestingT, w *world, sql string, args ...any) (v T) {
	require.NoError(t, w.looks.QueryRow(w.t.Context(), sql, args...).Scan(&v), sql)
	return v
}

const insertOrder = `INSERT INTO order_fulfillment
	(order_id, customer_id, status, reason, total_minor, currency, shipping_method, recipient_name, address_lines, source_event_id, placed_at)
	VALUES ($1, 'customer-7', $2, $3, 488549, 'USD', 'express', 'canary-name', '{canary-street}', 'source-1', '2025-01-01T01:11:30Z')`

// approve begins an order's fulfilment.
func (w *world) approve(orders ...string) {
	w.t.Helper()
	for _, id := range orders {
		w.exec(insertOrder, id, "fulfilling", nil)
	}
}

func (w *world) ship(id string) {
	w.t.Helper()
	w.exec(`UPDATE order_fulfillment SET status = 'shipped', carrier = 'DHL', tracking_number = '42' WHERE order_id = $1`, id)
}

func (w *world) cancelOrder(id string) {
	w.t.Helper()
	w.exec(`UPDATE order_fulfillment SET status = 'cancelled', reason = 'CANCELLED' WHERE order_id = $1`, id)
}

// change makes another version of an order that is being fulfilled.
func (w *world) change(id, method string) {
	w.t.Helper()
	w.exec(`UPDATE order_fulfillment SET shipping_method = $2 WHERE order_id = $1`, id, method)
}

// approveMany begins the fulfilment of so many orders, each in a transaction of its own: prefix-0, prefix-1...
func (w *world) approveMany(prefix string, n int) {
	w.t.Helper()
	batch := &pgx.Batch{}
	for i := range n {
		batch.Queue("BEGIN")
		batch.Queue(insertOrder, fmt.Sprintf("%s-%d", prefix, i), "fulfilling", nil)
		batch.Queue("COMMIT")
	}
	require.NoError(w.t, w.db.SendBatch(w.t.Context(), batch).Close())
}

// types are those of the events in an order's stream, in their order.
func (w *world) types(id string) []string {
	w.t.Helper()
	return w.typesFor(w.t, id)
}

func (w *world) typesFor(t require.TestingT, id string) []string {
	types := []string{}
	err := w.events.ReadStream(w.t.Context(), "fulfillment-"+id, 0, 0, func(e kurrent.Event) error {
		types = append(types, e.Type)
		return nil
	})
	if !errors.Is(err, kurrent.ErrNotFound) {
		require.NoError(t, err)
	}
	return types
}

func (w *world) awaitTypes(id string, want ...string) {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) { require.Equal(c, want, w.typesFor(c, id)) }, waitLong, waitTick)
}

// awaitAll waits until every version in the history is the event of the same revision in its order's stream, and there is
// no other event.
func (w *world) awaitAll() {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		require.Empty(c, differences(w.versions(c), w.published(c)))
	}, waitLong, 50*time.Millisecond)
}

// never looks for a while that something does not come true. It looks by itself: what testify leaves running behind a test
// would meet its end.
func never(t *testing.T, happens func() bool, during time.Duration, about ...any) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); pause(t.Context(), waitTick) {
		require.False(t, happens(), about...)
	}
}

// differences names the orders, a few of them, whose versions and events differ.
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

// versions are the history, by order.
func (w *world) versions(t require.TestingT) map[string][]string {
	rows, err := w.looks.Query(w.t.Context(), "SELECT order_id, array_agg(event_type || ' ' || revision ORDER BY revision) FROM order_fulfillment_history GROUP BY order_id")
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

// published are the events of every stream there is, by order.
func (w *world) published(t require.TestingT) map[string][]string {
	all := map[string][]string{}
	err := w.events.ReadStream(w.t.Context(), "$streams", 0, 0, func(link kurrent.Event) error {
		stream, _, ok := kurrent.LinkTarget(link)
		if !ok || len(stream) < len("fulfillment-") || stream[:len("fulfillment-")] != "fulfillment-" {
			return nil
		}
		return w.events.ReadStream(w.t.Context(), stream, 0, 0, func(e kurrent.Event) error {
			var data domainEvent
			if err := json.Unmarshal(e.Data, &data); err != nil {
				return err
			}
			all[data.OrderID] = append(all[data.OrderID], fmt.Sprintf("%s %d", e.Type, data.Revision))
			if int64(e.Revision) != data.Revision {
				all[data.OrderID] = append(all[data.OrderID], fmt.Sprintf("which is event %d", e.Revision))
			}
			return nil
		})
	})
	if !errors.Is(err, kurrent.ErrNotFound) {
		require.NoError(t, err)
	}
	return all
}

func (w *world) count(r result) int {
	return int(testutil.ToFloat64(w.metrics.events.WithLabelValues(string(r))))
}

// awaitAtLeast waits until so many versions have come to an end of this kind. One that is read twice counts twice, and it
// counts a moment after its event is there.
func (w *world) awaitAtLeast(want int, r result) {
	w.t.Helper()
	require.Eventually(w.t, func() bool { return w.count(r) >= want }, waitLong, waitTick, r)
}

// awaitReason waits until an order is set aside for this.
func (w *world) awaitReason(order, want string) {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) { require.Equal(c, want, w.reason(order)) }, waitLong, waitTick, "%q", order)
}

// awaitConfirmed waits until everything the server has written by now is confirmed, but for the little that may be left.
func (w *world) awaitConfirmed() {
	w.t.Helper()
	end := value[string](w, "SELECT pg_current_wal_insert_lsn()::text")
	require.EventuallyWithT(w.t, func(c *assert.CollectT) {
		require.True(c, look[bool](c, w, "SELECT confirmed_flush_lsn + $2::numeric >= $3::text::pg_lsn FROM pg_replication_slots WHERE slot_name = $1",
			w.name, quietBytes, end))
	}, waitLong, waitTick)
}
