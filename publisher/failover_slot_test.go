package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/internal/postgres"
)

// startPostgres17 starts PostgreSQL 17 from the programs in bin on a cluster directory.
func startPostgres17(t *testing.T, bin, dir string, settings map[string]string) *devserver.Postgres {
	t.Helper()
	server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: dir, Fast: true, BinDir: bin, Settings: settings,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	return server
}

func (rig *publisherRig) slotFailsOver() bool {
	return value[bool](rig, "SELECT failover FROM pg_replication_slots WHERE slot_name = '"+rig.name+"'")
}

func TestSlotFailover(t *testing.T) {
	t.Parallel()
	bin := devservertest.Postgres17(t)
	for name, arrange := range map[string]func(t *testing.T, rig *publisherRig){
		"the publisher creates the slot": func(_ *testing.T, rig *publisherRig) {
			rig.publish().awaitPhase(phaseStream)
		},
		"setup creates the slot": func(t *testing.T, rig *publisherRig) {
			out, err := rig.output("setup", "--role", "")
			require.NoError(t, err)
			require.Contains(t, out, "slot orderflow: made")
		},
		"the publisher alters an existing slot": func(_ *testing.T, rig *publisherRig) {
			rig.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", rig.name)
			rig.publish().awaitPhase(phaseStream)
		},
		"setup alters an existing slot": func(t *testing.T, rig *publisherRig) {
			rig.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", rig.name)
			out, err := rig.output("setup", "--role", "")
			require.NoError(t, err)
			require.Contains(t, out, "slot orderflow: is there already, confirmed up to")
			require.Contains(t, out, "; from now on it is copied to standbys\n")
			out, err = rig.output("setup", "--role", "")
			require.NoError(t, err)
			require.NotContains(t, out, "standbys")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rig := newRigOnServer(t, startPostgres17(t, bin, filepath.Join(t.TempDir(), "postgres"), nil).URL)
			arrange(t, rig)
			require.True(t, rig.slotFailsOver())
		})
	}
	t.Run("setup leaves a slot in use to the publisher that reads it", func(t *testing.T) {
		t.Parallel()
		rig := newRigOnServer(t, startPostgres17(t, bin, filepath.Join(t.TempDir(), "postgres"), nil).URL)
		rig.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", rig.name)
		replication, err := rig.publication().OpenReplication(t.Context(), rig.name)
		require.NoError(t, err)
		t.Cleanup(replication.Close)
		require.NoError(t, replication.Start(t.Context()))
		out, err := rig.output("setup", "--role", "")
		require.NoError(t, err)
		require.Contains(t, out, "; the publisher that reads it enables copying to standbys at its next start\n")
	})
	t.Run("the slot survives a failover and the publisher continues with it", func(t *testing.T) { testSlotSurvivesFailover(t, bin) })
}

// testSlotSurvivesFailover makes a standby copy the slot and promotes it.
func testSlotSurvivesFailover(t *testing.T, bin string) {
	t.Parallel()
	home := t.TempDir()
	primaryDir, standbyDir := filepath.Join(home, "primary"), filepath.Join(home, "standby")
	primary := startPostgres17(t, bin, primaryDir, nil)
	require.NoError(t, postgres.Migrate(t.Context(), primary.URL, slog.New(slog.DiscardHandler)))
	conn, err := pgx.Connect(t.Context(), primary.URL)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT pg_create_physical_replication_slot('standby', true)")
	require.NoError(t, errors.Join(err, conn.Close(t.Context()), primary.Stop(t.Context())))
	copyCluster(t, standbyDir, primaryDir)
	primary = startPostgres17(t, bin, primaryDir, map[string]string{"synchronized_standby_slots": "standby"})
	standby := startPostgres17(t, bin, standbyDir, map[string]string{
		"primary_conninfo": primary.URL, "primary_slot_name": "standby", "hot_standby_feedback": "on", "sync_replication_slots": "on",
	})
	proxy, through := startProxy(t, primary.URL)
	rig := newRigOnDatabase(t, "orderflow", through)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.approve("order-1")
	rig.awaitTypes("order-1", "order-approved")
	copied, err := pgx.Connect(t.Context(), standby.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = copied.Close(context.WithoutCancel(t.Context())) })
	// The copy becomes usable once the slot has moved past the position where the standby
	// began to copy it. That needs something to publish.
	for n, synced, began := 2, 0, time.Now(); synced == 0; n++ {
		require.Less(t, time.Since(began), waitLong)
		rig.approve(fmt.Sprintf("order-%d", n))
		rig.exec("SELECT pg_log_standby_snapshot()")
		rig.awaitTypes(fmt.Sprintf("order-%d", n), "order-approved")
		require.NoError(t, copied.QueryRow(t.Context(),
			"SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND synced AND NOT temporary", rig.name).Scan(&synced))
	}

	require.NoError(t, primary.Stop(t.Context()))
	require.NoError(t, standby.Promote(t.Context()))
	proxy.PointTo(hostOf(t, standby.URL))
	proxy.Cut()
	rig.reconnect()
	rig.ship("order-1")
	rig.awaitTypes("order-1", "order-approved", "order-shipped")
	p.awaitPhase(phaseStream)
	require.True(t, value[bool](rig, "SELECT synced AND active FROM pg_replication_slots WHERE slot_name = '"+rig.name+"'"),
		"it must be the copied slot")
}

// copyCluster creates a standby from a stopped server, because the downloaded server has
// no pg_basebackup.
func copyCluster(t *testing.T, to, from string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	data := filepath.Join(to, "data")
	require.NoError(t, os.Chmod(data, 0o700)) // the server requires it
	require.NoError(t, os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o600))
}
