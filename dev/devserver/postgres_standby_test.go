package devserver_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

func awaitValue[T any](t *testing.T, address, sql string, want T) {
	t.Helper()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		conn, err := pgx.Connect(t.Context(), address)
		require.NoError(c, err)
		defer func() { _ = conn.Close(t.Context()) }()
		var got T
		require.NoError(c, conn.QueryRow(t.Context(), sql).Scan(&got))
		require.Equal(c, want, got)
	}, time.Minute, 20*time.Millisecond)
}

func TestPostgresStandby(t *testing.T) {
	t.Parallel()
	primary := startPostgres(t, devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	query[bool](t, primary.URL, "CREATE TABLE kept (n int)", "INSERT INTO kept VALUES (1)", "SELECT true")
	options := devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, StandbyOf: primary.URL}
	standby := startPostgres(t, options)

	require.True(t, query[bool](t, standby.URL, "SELECT pg_is_in_recovery()"))
	query[bool](t, primary.URL, "INSERT INTO kept VALUES (2)", "SELECT true")
	awaitValue(t, standby.URL, "SELECT count(*) FROM kept", int64(2))

	stopPostgres(t, standby)
	standby = startPostgres(t, options)
	query[bool](t, primary.URL, "INSERT INTO kept VALUES (3)", "SELECT true")
	awaitValue(t, standby.URL, "SELECT count(*) FROM kept", int64(3))

	// A standby that no longer receives lags, and its promotion loses what it lacks.
	query[bool](t, standby.URL, "ALTER SYSTEM SET primary_conninfo = ''", "SELECT pg_reload_conf()", "SELECT true")
	awaitValue(t, standby.URL, "SELECT count(*) FROM pg_stat_wal_receiver", int64(0))
	query[bool](t, primary.URL, "INSERT INTO kept VALUES (4)", "SELECT true")
	require.NoError(t, standby.Promote(t.Context()))
	require.False(t, query[bool](t, standby.URL, "SELECT pg_is_in_recovery()"))
	require.Equal(t, int64(4), query[int64](t, standby.URL, "INSERT INTO kept VALUES (5)", "SELECT count(*) FROM kept"))
}
