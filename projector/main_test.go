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
	waitLong = 90 * time.Second // generous: on an idle machine it happens soon
	waitTick = 20 * time.Millisecond
)

var (
	cluster  *devserver.Postgres // shared by all tests, each with its own database
	rigCount atomic.Int64        // rigs created so far
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

// projectorRig holds one test's database and event store.
type projectorRig struct {
	t      testing.TB
	url    string // of the database
	db     *pgx.Conn
	server *kurrentsim.Server
	events *kurrent.Client
}

func newProjectorRig(t testing.TB, options kurrentsim.Options) *projectorRig {
	t.Helper()
	rig := &projectorRig{t: t}
	name := fmt.Sprintf("view_%d", rigCount.Add(1))
	admin, err := pgx.Connect(t.Context(), cluster.URL)
	require.NoError(t, err)
	defer func() { _ = admin.Close(t.Context()) }()
	_, err = admin.Exec(t.Context(), "CREATE DATABASE "+name)
	require.NoError(t, err)
	address, err := url.Parse(cluster.URL)
	require.NoError(t, err)
	address.Path = "/" + name
	rig.url = address.String()
	require.NoError(t, postgres.Migrate(t.Context(), rig.url, slog.New(slog.DiscardHandler)))
	rig.db, err = pgx.Connect(t.Context(), rig.url)
	require.NoError(t, err)
	t.Cleanup(func() { _ = rig.db.Close(context.WithoutCancel(t.Context())) })
	rig.server, err = kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { _ = rig.server.Stop(context.Background()) })
	rig.events = rig.client(rig.server.URL())
	return rig
}

func (rig *projectorRig) client(url string) *kurrent.Client {
	rig.t.Helper()
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: storeTimeout})
	require.NoError(rig.t, err)
	rig.t.Cleanup(client.Close)
	return client
}

func (rig *projectorRig) store() *postgres.Store {
	rig.t.Helper()
	store, err := postgres.Open(rig.t.Context(), postgres.Config{URL: rig.url, MaxConns: 4, CallTimeout: storeTimeout})
	require.NoError(rig.t, err)
	rig.t.Cleanup(store.Close)
	return store
}

// projector returns a projection that follows the log through a client.
func (rig *projectorRig) projector(events *kurrent.Client) *projection {
	return &projection{
		name: postgres.ProjectionLive, events: events, store: rig.store(), metrics: newMetrics(prometheus.NewRegistry()),
		logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a projector until the returned function is called, which waits for its end.
func (rig *projectorRig) start(p *projection) (stop func()) {
	rig.t.Helper()
	return rig.startLogging(p, io.Discard)
}

func (rig *projectorRig) startLogging(p *projection, log io.Writer) (stop func()) {
	ctx, cancel := context.WithCancel(rig.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.run(ctx, p.store.(*postgres.Store), slog.New(slog.NewTextHandler(log, nil)))
	}()
	stop = func() { cancel(); <-done }
	rig.t.Cleanup(stop)
	return stop
}

// logBuffer collects log output. It is safe for concurrent use.
type logBuffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (j *logBuffer) Write(line []byte) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.text.Write(line)
}

func (j *logBuffer) contains(text string) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return strings.Contains(j.text.String(), text)
}

func (rig *projectorRig) append(stream string, events ...kurrent.NewEvent) {
	rig.t.Helper()
	_, err := rig.events.Append(rig.t.Context(), stream, kurrent.Any(), events...)
	require.NoError(rig.t, err)
}

func (rig *projectorRig) rebuild() {
	rig.t.Helper()
	require.NoError(rig.t, rebuild(rig.t.Context(), rig.events, rig.store(), slog.New(slog.DiscardHandler)))
}
