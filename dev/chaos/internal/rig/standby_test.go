package rig

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// newPostgresRig runs a rig of PostgreSQL alone, with a table of one number.
func newPostgresRig(t *testing.T) *Rig {
	t.Helper()
	ports, err := devserver.ClaimPorts()
	require.NoError(t, err)
	port, err := ports.Next()
	require.NoError(t, err)
	dir := t.TempDir()
	r := &Rig{
		cluster: filepath.Join(dir, Postgres), options: Options{Dir: dir}, ports: ports, proxies: newProxies(),
		processes: map[string]*Process{}, edges: map[string]*Edge{}, addresses: map[string]string{Postgres: devserver.Loopback(port)},
	}
	require.NoError(t, r.addPostgres())
	supervision, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	r.stop = stop
	r.supervising.Go(func() { r.processes[Postgres].supervise(supervision) })
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		assert.NoError(t, r.stopStandbys(ctx))
		assert.NoError(t, r.processes[Postgres].Stop(ctx))
		stop()
		r.supervising.Wait()
		r.clients.Close()
		assert.NoError(t, ports.Close())
	})
	require.NoError(t, r.processes[Postgres].Start(t.Context(), nil))
	execute(t, r, "CREATE TABLE kept AS SELECT 0 AS n")
	return r
}

// connect opens a connection at the server's address, or by the name that clients use.
func connect(t *testing.T, r *Rig, address string) *pgx.Conn {
	t.Helper()
	connection, err := pgx.Connect(t.Context(), r.databaseURL(address))
	require.NoError(t, err)
	t.Cleanup(func() { _ = connection.Close(context.WithoutCancel(t.Context())) })
	return connection
}

func execute(t *testing.T, r *Rig, statement string) {
	t.Helper()
	_, err := connect(t, r, r.addresses[Postgres]).Exec(t.Context(), statement)
	require.NoError(t, err)
}

func number(t require.TestingT, c *pgx.Conn) (n int) {
	require.NoError(t, c.QueryRow(context.Background(), "SELECT n FROM kept").Scan(&n))
	return n
}

func TestFailover(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	execute(t, r, "UPDATE kept SET n = 1")
	ctx, cutShort := context.WithCancel(t.Context()) // the end of the window ends the lag, not the failover
	defer cutShort()
	over := make(chan error, 1)
	go func() { over <- r.Failover(ctx, time.Hour) }()
	require.Eventually(t, func() bool { return len(r.Lost()) == 1 }, time.Minute, 10*time.Millisecond)
	execute(t, r, "UPDATE kept SET n = 2")
	cutShort()
	require.NoError(t, <-over)

	t.Run("what was committed behind the standby's back is lost", func(t *testing.T) {
		require.Equal(t, 1, number(t, connect(t, r, r.addresses[Postgres])))
		lost := r.Lost()
		require.Len(t, lost, 1)
		require.True(t, lost[0].From.Before(lost[0].To))
	})
	t.Run("the promoted server takes writes by the name, also after a kill", func(t *testing.T) {
		execute(t, r, "UPDATE kept SET n = 3")
		require.NoError(t, r.processes[Postgres].Kill(t.Context()))
		require.NoError(t, r.processes[Postgres].AwaitReady(t.Context()))
		require.Equal(t, 3, number(t, connect(t, r, r.clients.Addr())))
	})
	t.Run("the promoted server can lose its commits as well", func(t *testing.T) {
		require.NoError(t, r.Failover(t.Context(), 0))
		require.Len(t, r.Lost(), 2)
		require.Equal(t, 3, number(t, connect(t, r, r.clients.Addr())))
	})
}

func TestLeadToStandby(t *testing.T) {
	t.Parallel()
	r := newPostgresRig(t)
	before := connect(t, r, r.clients.Addr())
	ctx, back := context.WithCancel(t.Context())
	defer back()
	over := make(chan error, 1)
	go func() { over <- r.LeadToStandby(ctx, time.Hour) }()
	require.Eventually(t, func() bool { return before.Ping(t.Context()) != nil }, time.Minute, 10*time.Millisecond,
		"connections to the primary end")

	during := connect(t, r, r.clients.Addr())
	_, err := during.Exec(t.Context(), "UPDATE kept SET n = 1")
	require.ErrorContains(t, err, "25006")

	back()
	require.NoError(t, <-over)
	_, err = connect(t, r, r.clients.Addr()).Exec(t.Context(), "UPDATE kept SET n = 2")
	require.NoError(t, err, "new connections find the primary")
	require.EventuallyWithT(t, func(c *assert.CollectT) { require.Equal(c, 2, number(c, during)) }, time.Minute, 10*time.Millisecond,
		"those to the standby stay open and are answered")
	_, err = during.Exec(t.Context(), "UPDATE kept SET n = 3")
	require.ErrorContains(t, err, "25006")
}
