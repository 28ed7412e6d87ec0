package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
	"orderflow/internal/config"
	"orderflow/internal/postgres"
)

func TestASlotThatWasDroppedIsMadeAnewAndNothingIsMissing(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	w.approve("order-1")
	w.awaitTypes("order-1", "order-approved")
	p.stop()
	w.onFreeSlot("SELECT pg_drop_replication_slot($1)", w.name)
	w.ship("order-1")
	w.approve("order-2")

	w.publish()

	w.awaitTypes("order-1", "order-approved", "order-shipped")
	w.awaitTypes("order-2", "order-approved")
	w.awaitAll()
}

// Somebody drops the slot and makes another one under the same name: what was written in between is in no slot.
func TestASlotThatSomebodyElseMadeOrMovedIsNotTrusted(t *testing.T) {
	for name, meddle := range map[string]string{
		"made":  "SELECT pg_drop_replication_slot('%[1]s'), pg_create_logical_replication_slot('%[1]s', 'pgoutput')",
		"moved": "SELECT pg_replication_slot_advance('%[1]s', pg_current_wal_lsn())",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish()
			w.approve("order-1")
			w.awaitTypes("order-1", "order-approved")
			p.stop()
			w.ship("order-1")
			w.approve("order-2")
			w.onFreeSlot(fmt.Sprintf(meddle, w.name))

			w.publish()

			w.awaitTypes("order-1", "order-approved", "order-shipped")
			w.awaitTypes("order-2", "order-approved")
		})
	}
}

func TestTheMarkOfAnotherServerOrTimelineIsNotTrusted(t *testing.T) {
	for name, restored := range map[string]string{
		"another server":   "UPDATE publisher_mark SET system_id = '1'",
		"another timeline": "UPDATE publisher_mark SET timeline = timeline + 1",
		"no mark":          "DELETE FROM publisher_mark",
		"an older program": "UPDATE publisher_mark SET publication = ''",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish()
			w.approveMany("order", 20)
			w.ship("order-3")
			w.awaitAll()
			p.awaitPhase(phaseStream)
			p.stop()
			before := w.count(resultPublished)
			w.exec(restored)

			w.publish().awaitPhase(phaseStream)

			require.GreaterOrEqual(t, w.count(resultPublished), before+21, "the whole history was looked at again")
			w.awaitAll()
		})
	}
}

func TestASnapshotThatIsOrderedBeginsBesideTheRunningPublisher(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	w.approveMany("order", 20)
	w.awaitAll()
	p.awaitPhase(phaseStream)
	require.NoError(t, w.command(nil, "snapshot"))
	w.awaitAtLeast(40, resultPublished)
	w.awaitAll()
}

func TestASlotThatLostItsLogIsMadeAnewAndNothingIsMissingOrDoubled(t *testing.T) {
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, Settings: map[string]string{
		"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "48MB",
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	w := lonelyWorld(t, pg.URL)
	p := w.publish()
	w.approveMany("order-early", 30)
	w.awaitAll()
	p.awaitPhase(phaseStream)
	p.stop()
	w.approveMany("order-late", 30)
	w.ship("order-early-3")
	for range 6 {
		w.exec("SELECT pg_switch_wal()")
		w.exec("CREATE TABLE filling AS SELECT repeat('x', 500) FROM generate_series(1, 10000)")
		w.exec("DROP TABLE filling")
	}
	w.exec("CHECKPOINT")
	require.Equal(t, "lost", value[string](w, "SELECT wal_status FROM pg_replication_slots"))

	again := w.publish()

	w.awaitTypes("order-early-3", "order-approved", "order-shipped")
	w.awaitAll()
	again.awaitPhase(phaseStream)
	w.ship("order-late-3")
	w.awaitTypes("order-late-3", "order-approved", "order-shipped")
	require.NotEqual(t, "lost", value[string](w, "SELECT wal_status FROM pg_replication_slots"))
}

// The publication has to be there when the log is read as it was when it was written: one that is made again is unknown to
// what the slot still has to send.
func TestAPublicationThatWentAwayIsWaitedForAndWhatWasMissedIsReadFromTheHistory(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	w.exec("DROP PUBLICATION orderflow")
	w.approve("order-1")
	again := w.publish()
	_, err := w.store().CheckPublishing(t.Context())
	require.ErrorIs(t, err, postgres.ErrNoPublication)
	never(t, func() bool { return again.phase.Load() == phaseStream }, 500*time.Millisecond)
	w.exec("CREATE PUBLICATION orderflow FOR TABLE order_fulfillment_history WITH (publish = 'insert')")
	w.awaitTypes("order-1", "order-approved")
	again.awaitPhase(phaseStream)
	w.approve("order-2")
	w.awaitTypes("order-2", "order-approved")
}

func TestAServerThatDoesNotDecodeItsLogIsOneClearError(t *testing.T) {
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, Settings: map[string]string{
		"wal_level": "replica",
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	w := lonelyWorld(t, pg.URL)
	for _, args := range [][]string{nil, {"setup"}} {
		err := w.command(nil, args...)
		require.EqualError(t, err, "POSTGRES_URL: must be a server that runs with wal_level=logical; "+
			"this one runs with wal_level=replica: change it in postgresql.conf and restart the server")
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
	}
}

func TestASlotOfAnotherKindOrDatabaseIsOneClearError(t *testing.T) {
	w := newWorld(t)
	elsewhere := newWorldBeside(t)
	for name, sql := range map[string]string{
		w.name + "_physical": "SELECT pg_create_physical_replication_slot('%s')",
		w.name + "_test":     "SELECT pg_create_logical_replication_slot('%s', 'test_decoding')",
	} {
		w.exec(fmt.Sprintf(sql, name))
		err := w.command([]string{"PUBLISHER_SLOT=" + name})
		require.ErrorContains(t, err, "PUBLISHER_SLOT: must name a slot of our own")
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		w.exec("SELECT pg_drop_replication_slot($1)", name)
	}
	elsewhere.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", elsewhere.name)
	require.ErrorContains(t, w.command([]string{"PUBLISHER_SLOT=" + elsewhere.name}), "PUBLISHER_SLOT: must name a slot of our own")
}
