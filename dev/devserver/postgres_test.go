package devserver_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

func startPostgres(t *testing.T, o devserver.PostgresOptions) *devserver.Postgres {
	t.Helper()
	pg, err := devserver.StartPostgres(t.Context(), o)
	require.NoError(t, err)
	t.Cleanup(func() { stopPostgres(t, pg) })
	return pg
}

func stopPostgres(t *testing.T, pg *devserver.Postgres) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 20*time.Second)
	defer cancel()
	require.NoError(t, pg.Stop(ctx))
}

func TestPostgres_KeepsDataOverARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg := startPostgres(t, devserver.PostgresOptions{Dir: dir})
	query[int](t, pg.URL, "CREATE TABLE kept AS SELECT 42 AS n", "SELECT n FROM kept")
	require.Equal(t, "logical", query[string](t, pg.URL, "SHOW wal_level"))
	require.Equal(t, "on", query[string](t, pg.URL, "SHOW fsync"))
	stopPostgres(t, pg)

	again := startPostgres(t, devserver.PostgresOptions{Dir: dir, Fast: true})
	require.Equal(t, 42, query[int](t, again.URL, "SELECT n FROM kept"))
	require.Equal(t, "off", query[string](t, again.URL, "SHOW fsync"))
}

// query runs statements and returns the value of the last one, which is sent separately.
func query[T any](t *testing.T, address string, sql ...string) (v T) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	require.NoError(t, err)
	defer func() { require.NoError(t, conn.Close(t.Context())) }()
	for _, statement := range sql[:len(sql)-1] {
		_, err := conn.Exec(t.Context(), statement)
		require.NoError(t, err)
	}
	require.NoError(t, conn.QueryRow(t.Context(), sql[len(sql)-1]).Scan(&v))
	return v
}

func TestPostgres_RequiresTLS(t *testing.T) {
	t.Parallel()
	pg := startPostgres(t, devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, TLS: true})
	require.True(t, query[bool](t, pg.URL, "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"))
	address, err := url.Parse(pg.URL)
	require.NoError(t, err)
	require.Equal(t, "verify-full", address.Query().Get("sslmode"))
	address.RawQuery = "sslmode=disable"

	_, err = pgx.Connect(t.Context(), address.String())

	require.ErrorContains(t, err, "no encryption")
}

func TestPostgres_RequiresThePassword(t *testing.T) {
	t.Parallel()
	pg := startPostgres(t, devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	address, err := url.Parse(pg.URL)
	require.NoError(t, err)
	require.Equal(t, "127.0.0.1", address.Hostname())
	address.User = url.UserPassword(devserver.PostgresUser, "guessed")

	_, err = pgx.Connect(t.Context(), address.String())

	require.ErrorContains(t, err, "password authentication failed")
}

func TestPostgres_PortInUse(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { _ = listener.Close() }()
	port := listener.Addr().(*net.TCPAddr).Port

	_, err = devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Port: port, Fast: true})

	require.ErrorContains(t, err, "port "+strconv.Itoa(port)+" of 127.0.0.1 cannot be used")
	require.NotContains(t, err.Error(), "\n")
}

func TestPostgres_FolderInUse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg := startPostgres(t, devserver.PostgresOptions{Dir: dir, Fast: true})

	_, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: dir, Fast: true})

	require.ErrorContains(t, err, "another server is running in "+dir)
	require.Equal(t, 1, query[int](t, pg.URL, "SELECT 1"), "the running server is unaffected")
}

func TestPostgres_StartsAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	pg := startPostgres(t, devserver.PostgresOptions{Dir: dir})
	query[int](t, pg.URL, "CREATE TABLE kept AS SELECT 42 AS n", "SELECT n FROM kept")
	pidFile := filepath.Join(dir, "data", "postmaster.pid")
	left, err := os.ReadFile(pidFile)
	require.NoError(t, err)
	require.NoError(t, syscall.Kill(pg.PID, syscall.SIGKILL))
	<-pg.Done()
	ours := strings.Replace(string(left), strconv.Itoa(pg.PID), strconv.Itoa(os.Getpid()), 1)
	require.NoError(t, os.WriteFile(pidFile, []byte(ours), 0o600))

	again := startPostgres(t, devserver.PostgresOptions{Dir: dir})

	require.Equal(t, 42, query[int](t, again.URL, "SELECT n FROM kept"))
}

func TestPostgres_NotInstalled(t *testing.T) {
	t.Parallel()
	repository := httptest.NewServer(http.NotFoundHandler())
	defer repository.Close()

	_, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: t.TempDir(), BinDir: t.TempDir(), CacheDir: t.TempDir(), FetchURL: repository.URL,
	})

	require.ErrorContains(t, err, "install postgresql, or set POSTGRES_URL")
	require.NotContains(t, err.Error(), "\n")
}

func TestPostgres_OtherVersion(t *testing.T) {
	t.Parallel()
	repository := httptest.NewServer(http.NotFoundHandler())
	defer repository.Close()
	dir := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(dir, "data"), 0o700))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data", "PG_VERSION"), []byte("9\n"), 0o600))

	_, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: dir, CacheDir: t.TempDir(), FetchURL: repository.URL,
	})

	require.ErrorContains(t, err, "made by PostgreSQL 9")
}
