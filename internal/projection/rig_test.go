package projection

import (
	"context"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

const (
	waitLong = 90 * time.Second // generous: on an idle machine it happens soon
	waitTick = 20 * time.Millisecond
)

var servers = devservertest.Servers{FindLeaks: true}

func TestMain(m *testing.M) { servers.Main(m) }

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
	rig.url = servers.Database(t)
	var err error
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
	client, err := kurrent.Open(kurrent.Config{URL: url, AllowPlaintext: true, CallTimeout: CallTimeout})
	require.NoError(rig.t, err)
	rig.t.Cleanup(client.Close)
	return client
}

func (rig *projectorRig) pool() *postgres.Pool {
	rig.t.Helper()
	pool, err := postgres.Open(rig.t.Context(), postgres.Config{URL: rig.url, MaxConns: 4, CallTimeout: CallTimeout})
	require.NoError(rig.t, err)
	rig.t.Cleanup(pool.Close)
	return pool
}

// projector returns a projection that follows the log through a client.
func (rig *projectorRig) projector(events *kurrent.Client) *Projection {
	return &Projection{
		name: postgres.ProjectionLive, events: events, store: postgres.NewCustomerView(rig.pool()), metrics: NewMetrics(prometheus.NewRegistry()),
		logger: slog.New(slog.DiscardHandler),
	}
}

// start runs a projector until the returned function is called, which waits for its end.
func (rig *projectorRig) start(p *Projection) (stop func()) {
	rig.t.Helper()
	return rig.startLogging(p, io.Discard)
}

func (rig *projectorRig) startLogging(p *Projection, log io.Writer) (stop func()) {
	pool := rig.pool()
	ctx, cancel := context.WithCancel(rig.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.logger = slog.New(slog.NewTextHandler(log, nil))
		p.Run(ctx, pool)
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
	require.NoError(rig.t, Rebuild(rig.t.Context(), rig.events, rig.pool(), slog.New(slog.DiscardHandler)))
}
