package devservertest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"orderflow/dev/devserver"
	"orderflow/dev/leaktest"
	"orderflow/internal/postgres"
)

const (
	// startTimeout bounds starting the servers. The first start may build the Temporal
	// CLI.
	startTimeout = 10 * time.Minute

	// temporalStop bounds stopping Temporal, which is killed then: it stops slowly while
	// workflows are open, and its data is not needed.
	temporalStop = 10 * time.Second
	postgresStop = time.Minute

	// template is the database that each test gets a copy of.
	template = "migrated"
)

// Servers are the servers that all tests of a package share. Each starts when it is first
// needed and stops after the tests:
//
//	var servers = devservertest.Servers{SearchAttributes: workflows.SearchAttributes()}
//
//	func TestMain(m *testing.M) { servers.Main(m) }
//
// Tests are kept apart by a database, a namespace or workflow ids of their own.
type Servers struct {
	Settings         map[string]string         // of PostgreSQL
	SearchAttributes temporal.SearchAttributes // of Temporal's default namespace
	DynamicConfig    map[string]string         // of Temporal, added to the development server's
	FindLeaks        bool                      // a goroutine left after the tests is a failure

	postgres  once[*devserver.Postgres]
	migrated  once[string] // the URL of the template
	temporal  once[*devserver.Temporal]
	databases atomic.Int64

	dir string
}

// once is a server that is started at most once.
type once[T any] struct {
	sync.Once
	server T
	err    error
}

func (o *once[T]) start(start func() (T, error)) (T, error) {
	o.Do(func() { o.server, o.err = start() })
	return o.server, o.err
}

// Main runs the tests, stops the servers and exits.
func (s *Servers) Main(m *testing.M) {
	s.Run(func() (int, error) { return m.Run(), nil })
}

// Run is Main for a package that sets up more around its tests. The function returns the
// code of m.Run.
func (s *Servers) Run(tests func() (code int, err error)) {
	code, err := s.run(tests)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(1, code)
	}
	os.Exit(code)
}

func (s *Servers) run(tests func() (int, error)) (code int, err error) {
	if s.dir, err = os.MkdirTemp("", "orderflow-test-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(s.dir)) }()
	code, err = tests()
	if err = errors.Join(err, s.stop()); err == nil && s.FindLeaks {
		err = leaktest.Find()
	}
	return code, err
}

func (s *Servers) stop() error {
	ctx, cancel := context.WithTimeout(context.Background(), temporalStop)
	defer cancel()
	if s.temporal.server != nil {
		_ = s.temporal.server.Stop(ctx)
	}
	if s.postgres.server == nil {
		return nil
	}
	ctx, cancel = context.WithTimeout(context.Background(), postgresStop)
	defer cancel()
	return s.postgres.server.Stop(ctx)
}

// Dir returns a folder that is removed after the tests.
func (s *Servers) Dir() string { return s.dir }

// StartPostgres returns the PostgreSQL cluster.
func (s *Servers) StartPostgres() (*devserver.Postgres, error) {
	return s.postgres.start(func() (*devserver.Postgres, error) {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		return devserver.StartPostgres(ctx, devserver.PostgresOptions{
			Dir: filepath.Join(s.dir, "postgres"), Fast: true, Settings: s.Settings,
		})
	})
}

// Postgres is StartPostgres for a test.
func (s *Servers) Postgres(t testing.TB) *devserver.Postgres {
	t.Helper()
	cluster, err := s.StartPostgres()
	require.NoError(t, err)
	return cluster
}

// StartTemporal returns the Temporal server.
func (s *Servers) StartTemporal() (*devserver.Temporal, error) {
	return s.temporal.start(func() (*devserver.Temporal, error) {
		ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
		defer cancel()
		cli, err := devserver.TemporalCLI(ctx, "", os.Stderr)
		if err != nil {
			return nil, err
		}
		return devserver.StartTemporal(ctx, devserver.TemporalOptions{
			CLIPath: cli, Headless: true, SearchAttributes: s.SearchAttributes, DynamicConfig: s.DynamicConfig,
		})
	})
}

// Temporal returns the address of the Temporal server.
func (s *Servers) Temporal(t testing.TB) (address string) {
	t.Helper()
	server, err := s.StartTemporal()
	require.NoError(t, err)
	return server.Address
}

// Database creates a database with the schema of the product for one test and returns its
// URL.
func (s *Servers) Database(t testing.TB) (url string) {
	t.Helper()
	_, err := s.migrated.start(s.migrate)
	require.NoError(t, err)
	return s.DatabaseFrom(t, template)
}

// DatabaseFrom is Database with another template, such as template1 for an empty one.
func (s *Servers) DatabaseFrom(t testing.TB, template string) (url string) {
	t.Helper()
	s.Postgres(t)
	url, err := s.create(t.Context(), fmt.Sprintf("test_%d", s.databases.Add(1)), template)
	require.NoError(t, err)
	return url
}

func (s *Servers) migrate() (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	if _, err := s.StartPostgres(); err != nil {
		return "", err
	}
	address, err := s.create(ctx, template, "template1")
	if err != nil {
		return "", err
	}
	return address, postgres.Migrate(ctx, address, slog.New(slog.DiscardHandler))
}

// create creates a database and returns its URL.
func (s *Servers) create(ctx context.Context, name, template string) (string, error) {
	conn, err := pgx.Connect(ctx, s.postgres.server.URL)
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return "", err
	}
	address, err := url.Parse(s.postgres.server.URL)
	if err != nil {
		return "", err
	}
	address.Path = "/" + name
	return address.String(), nil
}
