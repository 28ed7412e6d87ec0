package devserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/internal/devserver"
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

func TestPostgresKeepsItsDataOverARestart(t *testing.T) {
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

// query runs statements and gives the value of the last one, which is sent alone.
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
