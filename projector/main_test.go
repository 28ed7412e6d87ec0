package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"orderflow/dev/devserver"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

const (
	waitLong = 90 * time.Second // for what happens soon on a machine that has nothing else to do
	waitTick = 20 * time.Millisecond
)

var (
	cluster *devserver.Postgres // one for all tests, each of which has a database to itself
	worlds  atomic.Int64        // made so far
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
	dir, err := os.MkdirTemp("", "orderflow-projector-")
	if err != nil {
		return 1, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cluster, err = devserver.StartPostgres(ctx, devserver.PostgresOptions{Dir: filepath.Join(dir, "postgres"), Fast: true})
	if err != nil {
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

// world is one test's database and event store.
type world struct {
	t      testing.TB
	url    string // of the database
	db     *pgx.Conn
	server *kurrentsim.Server
	events *kurrent.Client
}

func newWorld(t testing.TB, options kurrentsim.Options) *world {
	t.Helper()
	w := &world{t: t}
	name := fmt.Sprintf("view_%d", worlds.Add(1))
	admin, err := pgx.Connect(t.Context(), cluster.URL)
	require.NoError(t, err)
	defer func() { _ = admin.Close(t.Context()) }()
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	address, err := url.Parse(cluster.URL)
	require.NoError(t, err)
	address.Path = "/" + name
	w.url = address.String()
	require.NoError(t, postgres.Migrate(t.Context(), w.url, slog.New(slog.DiscardHandler)))
	w.db, err = pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.db.Close(context.WithoutCancel(t.Context())) })
	w.server, err = kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = w.server.Stop(context.Background()) })
	w.events = w.client(w.server.URL())
	return w
}

func (w *world) client(url string) *kurrent.Client {
	w.t.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: storeTimeout})
	require.NoError(w.t, err)
	w.t.Cleanup(client.Close)
	return client
}

func (w *world) store() *postgres.Store {
	w.t.Helper()
	store, err := postgres.Open(w.t.Context(), postgres.Config{URL: w.url, MaxConns: 4, CallTimeout: storeTimeout})
	require.NoError(w.t, err)
	w.t.Cleanup(store.Close)
	return store
}

// projector is one that follows the log through a client.
func (w *world) projector(events *kurrent.Client) *projection {
	return &projection{
		name: postgres.ProjectionLive, events: events, store: w.store(), metrics: newMetrics(prometheus.NewRegistry()),
		logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a projector until the returned function is called, which waits for its end.
func (w *world) start(p *projection) (stop func()) {
	w.t.Helper()
	return w.startLogging(p, io.Discard)
}

func (w *world) startLogging(p *projection, log io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(ctx, p.store.(*postgres.Store), slog.New(slog.NewTextHandler(log, nil)))
	}()
	stop = func() { cancel(); <-done }
	w.t.Cleanup(stop)
	return stop
}

// journal keeps what is logged.
type journal struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *journal) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *journal) says(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

func (w *world) append(stream string, events ...kurrent.NewEvent) {
	w.t.Helper()
	_, err := w.events.Append(w.t.Context(), stream, kurrent.Any(), events...)
	require.NoError(w.t, err)
}

func (w *world) rebuild() {
	w.t.Helper()
	require.NoError(w.t, rebuild(w.t.Context(), w.events, w.store(), slog.New(slog.DiscardHandler)))
}
