package main

import (
	"cmp"
	"context"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace/noop"

	"orderflow/dev/devserver"
	"orderflow/dev/faultproxy"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/backoff"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

// publisherRig holds one test's database, event store and publisher settings.
type publisherRig struct {
	t            *testing.T
	name         string // of the database and the slot
	url          string
	db           *pgx.Conn                 // for writes
	pool         *pgxpool.Pool             // for reads from any goroutine
	pools        map[string]*postgres.Pool // by URL
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

// newSecondRig returns another rig for a test that already has one.
func newSecondRig(t *testing.T) *publisherRig {
	t.Helper()
	url := servers.Database(t)
	config, err := pgx.ParseConfig(url)
	require.NoError(t, err)
	return newRigOnDatabase(t, config.Database, url)
}

// newRigOnServer migrates the server's default database and returns a rig on it.
func newRigOnServer(t *testing.T, url string) *publisherRig {
	t.Helper()
	require.NoError(t, postgres.Migrate(t.Context(), url, slog.New(slog.DiscardHandler)))
	return newRigOnDatabase(t, "orderflow", url)
}

// newDedicatedServerRig returns a rig on its own server, where no other test assigns
// transaction ids.
func newDedicatedServerRig(t *testing.T) *publisherRig {
	t.Helper()
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	return newRigOnServer(t, pg.URL)
}

// newRigOnDatabase returns a rig on a migrated database.
func newRigOnDatabase(t *testing.T, name, url string) *publisherRig {
	t.Helper()
	rig := &publisherRig{t: t, name: name, url: url, pools: map[string]*postgres.Pool{}}
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

// reconnect must be called after the database was restarted.
func (rig *publisherRig) reconnect() {
	rig.t.Helper()
	_ = rig.db.Close(context.Background())
	rig.pool.Reset()
	var err error
	rig.db, err = pgx.Connect(rig.t.Context(), rig.url)
	require.NoError(rig.t, err)
}

// database returns a pool on the rig's current URL. It opens one per URL.
func (rig *publisherRig) database() *postgres.Pool {
	rig.t.Helper()
	if rig.pools[rig.url] == nil {
		pool, err := postgres.Open(rig.t.Context(), postgres.Config{URL: rig.url, MaxConns: 2})
		require.NoError(rig.t, err)
		rig.t.Cleanup(pool.Close)
		rig.pools[rig.url] = pool
	}
	return rig.pools[rig.url]
}

func (rig *publisherRig) publication() *postgres.Publication {
	return postgres.NewPublication(rig.database())
}

func (rig *publisherRig) history() *postgres.History { return postgres.NewHistory(rig.database()) }

func (rig *publisherRig) state() *postgres.PublisherState {
	return postgres.NewPublisherState(rig.database())
}

// useEventStore points publishers started from now on at an event store.
func (rig *publisherRig) useEventStore(url string) {
	rig.t.Helper()
	events, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: 5 * time.Second, Connections: config.PublisherConnections})
	require.NoError(rig.t, err)
	rig.t.Cleanup(events.Close)
	rig.kurrentDB, rig.events = url, events
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

// useProxy puts a proxy between the event store and publishers started from now on. The
// test's own client does not use it.
func (rig *publisherRig) useProxy() *faultproxy.Proxy {
	rig.t.Helper()
	proxy, through := startProxy(rig.t, rig.kurrentDB)
	direct := rig.events
	rig.useEventStore(through)
	rig.throughProxy, rig.events = rig.events, direct
	return proxy
}

// startProxy starts a proxy to the server of a URL, and returns the URL of the server
// behind the proxy.
func startProxy(t *testing.T, address string) (proxy *faultproxy.Proxy, through string) {
	t.Helper()
	proxy, err := faultproxy.Start(hostOf(t, address))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, proxy.Close()) })
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	parsed.Host = proxy.Addr()
	return proxy, parsed.String()
}

func hostOf(t *testing.T, address string) string {
	t.Helper()
	parsed, err := url.Parse(address)
	require.NoError(t, err)
	return parsed.Host
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
	for left := 1; left > 0 && ctx.Err() == nil; _ = backoff.Sleep(ctx, waitTick) { // the server may not have noticed yet that the reader disconnected
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
	pool   *postgres.Pool
	cancel context.CancelFunc
	done   chan struct{}
	err    error
}

// publish runs a publisher until stop is called, or the test ends.
func (rig *publisherRig) publish() *running {
	rig.t.Helper()
	pool, err := postgres.Open(rig.t.Context(), postgres.Config{URL: rig.url, MaxConns: poolConnections, CallTimeout: 20 * time.Second})
	require.NoError(rig.t, err)
	r := &running{rig: rig, pool: pool, done: make(chan struct{}), publisher: &publisher{
		events: cmp.Or(rig.throughProxy, rig.events), publication: postgres.NewPublication(pool), history: postgres.NewHistory(pool),
		state: postgres.NewPublisherState(pool), slot: rig.name, window: rig.settings.window, retention: rig.settings.retention,
		intervals: rig.settings.intervals, shutdownTimeout: rig.settings.shutdownTimeout, metrics: rig.metrics, logger: testLogger(rig.t),
		tracer: noop.NewTracerProvider().Tracer(""),
	}}
	ctx, cancel := context.WithCancel(context.Background())
	r.cancel = cancel
	go func() {
		defer close(r.done)
		defer pool.Close()
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
	inFlight := r.current.Load()
	if inFlight == nil {
		return false
	}
	since, _ := inFlight.Oldest()
	return !since.IsZero()
}

// lagNow returns the lag as a scrape sees it.
func (r *running) lagNow() time.Duration {
	r.rig.t.Helper()
	lag, err := r.lag(r.rig.t.Context())
	require.NoError(r.rig.t, err)
	return lag
}

// gatherGauges returns the gauges as a scrape sees them.
func gatherGauges(t require.TestingT, r *running) map[string]float64 {
	registry := prometheus.NewRegistry()
	registry.MustRegister(gauges{r.publisher})
	families, err := registry.Gather()
	require.NoError(t, err)
	values := map[string]float64{}
	for _, family := range families {
		values[family.GetName()] = family.GetMetric()[0].GetGauge().GetValue()
	}
	return values
}

// never requires that happens stays false for the given time. It polls in this goroutine:
// testify's Never leaves a goroutine behind that could outlive the test.
func never(t *testing.T, happens func() bool, during time.Duration, about ...any) {
	t.Helper()
	for end := time.Now().Add(during); time.Now().Before(end); _ = backoff.Sleep(t.Context(), waitTick) {
		require.False(t, happens(), about...)
	}
}
