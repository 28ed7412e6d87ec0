package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/faultproxy"
	"orderflow/internal/postgres"
)

// server17 starts a PostgreSQL 17, whose programs are in bin, on a cluster's folder.
func server17(t *testing.T, bin, dir string, settings map[string]string) *devserver.Postgres {
	t.Helper()
	server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: dir, Fast: true, BinDir: bin, Settings: settings,
	})
	require.NoError(t, err)
	t.Cleanup(func() { _ = server.Stop(context.WithoutCancel(t.Context())) })
	return server
}

func (w *world) failsOver() bool {
	return value[bool](w, "SELECT failover FROM pg_replication_slots WHERE slot_name = '"+w.name+"'")
}

func TestSlotFailover(t *testing.T) {
	t.Parallel()
	bin := devservertest.Postgres17(t)
	for name, arrange := range map[string]func(t *testing.T, w *world){
		"the publisher makes the slot": func(_ *testing.T, w *world) {
			w.publish().awaitPhase(phaseStream)
		},
		"setup makes the slot": func(t *testing.T, w *world) {
			out, err := w.output("setup", "--role", "")
			require.NoError(t, err)
			require.Contains(t, out, "slot orderflow: made")
		},
		"the publisher alters a slot that it finds": func(_ *testing.T, w *world) {
			w.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", w.name)
			w.publish().awaitPhase(phaseStream)
		},
		"setup alters a slot that it finds": func(t *testing.T, w *world) {
			w.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", w.name)
			out, err := w.output("setup", "--role", "")
			require.NoError(t, err)
			require.Contains(t, out, "slot orderflow: is there already, confirmed up to")
			require.Contains(t, out, "; from now on it is copied to standbys\n")
			out, err = w.output("setup", "--role", "")
			require.NoError(t, err)
			require.NotContains(t, out, "standbys")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := lonelyWorld(t, server17(t, bin, filepath.Join(t.TempDir(), "postgres"), nil).URL)
			arrange(t, w)
			require.True(t, w.failsOver())
		})
	}
	t.Run("setup says what it leaves to the publisher that reads the slot", func(t *testing.T) {
		t.Parallel()
		w := lonelyWorld(t, server17(t, bin, filepath.Join(t.TempDir(), "postgres"), nil).URL)
		w.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", w.name)
		link, err := w.store().OpenReplication(t.Context(), w.name)
		require.NoError(t, err)
		t.Cleanup(link.Close)
		require.NoError(t, link.Start(t.Context()))
		out, err := w.output("setup", "--role", "")
		require.NoError(t, err)
		require.Contains(t, out, "; the publisher that reads it has it copied to standbys when it starts next\n")
	})
	t.Run("the slot is there after a failover and the publisher goes on with it", func(t *testing.T) { slotSurvives(t, bin) })
}

// slotSurvives has a standby copy the slot, and take the primary's place.
func slotSurvives(t *testing.T, bin string) {
	t.Parallel()
	home := t.TempDir()
	primaryDir, standbyDir := filepath.Join(home, "primary"), filepath.Join(home, "standby")
	primary := server17(t, bin, primaryDir, nil)
	require.NoError(t, postgres.Migrate(t.Context(), primary.URL, slog.New(slog.DiscardHandler)))
	conn, err := pgx.Connect(t.Context(), primary.URL)
	require.NoError(t, err)
	_, err = conn.Exec(t.Context(), "SELECT pg_create_physical_replication_slot('standby', true)")
	require.NoError(t, errors.Join(err, conn.Close(t.Context()), primary.Stop(t.Context())))
	copyCluster(t, standbyDir, primaryDir)
	primary = server17(t, bin, primaryDir, map[string]string{"synchronized_standby_slots": "standby"})
	standby := server17(t, bin, standbyDir, map[string]string{
		"primary_conninfo": primary.URL, "primary_slot_name": "standby", "hot_standby_feedback": "on", "sync_replication_slots": "on",
	})
	name, err := faultproxy.Start(hostOf(t, primary.URL))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, name.Close()) })
	address, err := url.Parse(primary.URL)
	require.NoError(t, err)
	address.Host = name.Addr()
	w := worldOn(t, "orderflow", address.String())
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.approve("order-1")
	w.awaitTypes("order-1", "order-approved")
	copied, err := pgx.Connect(t.Context(), standby.URL)
	require.NoError(t, err)
	t.Cleanup(func() { _ = copied.Close(context.WithoutCancel(t.Context())) })
	// The copy counts once the slot has moved past where the standby began to copy it, which takes something to publish.
	for n, synced, began := 2, 0, time.Now(); synced == 0; n++ {
		require.Less(t, time.Since(began), waitLong)
		w.approve(fmt.Sprintf("order-%d", n))
		w.exec("SELECT pg_log_standby_snapshot()")
		w.awaitTypes(fmt.Sprintf("order-%d", n), "order-approved")
		require.NoError(t, copied.QueryRow(t.Context(),
			"SELECT count(*) FROM pg_replication_slots WHERE slot_name = $1 AND synced AND NOT temporary", w.name).Scan(&synced))
	}

	require.NoError(t, primary.Stop(t.Context()))
	require.NoError(t, standby.Promote(t.Context()))
	name.PointTo(hostOf(t, standby.URL))
	name.Cut()
	w.reconnect()
	w.ship("order-1")
	w.awaitTypes("order-1", "order-approved", "order-shipped")
	p.awaitPhase(phaseStream)
	require.True(t, value[bool](w, "SELECT synced AND active FROM pg_replication_slots WHERE slot_name = '"+w.name+"'"),
		"it is the slot that was copied")
}

// copyCluster makes a standby of a server that is stopped: what is fetched has no pg_basebackup.
func copyCluster(t *testing.T, to, from string) {
	t.Helper()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	data := filepath.Join(to, "data")
	require.NoError(t, os.Chmod(data, 0o700)) // the server insists
	require.NoError(t, os.WriteFile(filepath.Join(data, "standby.signal"), nil, 0o600))
}
