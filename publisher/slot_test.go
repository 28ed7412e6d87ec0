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

func TestSlot_DroppedSlotIsRecreated(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	rig.approve("order-1")
	rig.awaitTypes("order-1", "order-approved")
	p.stop()
	rig.requireRebuilds(1, rebuildFirst)
	rig.execWhenSlotFree("SELECT pg_drop_replication_slot($1)", rig.name)
	rig.ship("order-1")
	rig.approve("order-2")

	rig.publish()

	rig.awaitTypes("order-1", "order-approved", "order-shipped")
	rig.awaitTypes("order-2", "order-approved")
	rig.awaitAll()
	rig.requireRebuilds(1, rebuildSlotLost)
	rig.requireRebuilds(0, rebuildOther)
}

// Another program drops the slot and creates one with the same name: versions written in
// between are in neither slot.
func TestSlot_CreatedOrMovedByAnotherProgram(t *testing.T) {
	for name, meddle := range map[string]string{
		"made":  "SELECT pg_drop_replication_slot('%[1]s'), pg_create_logical_replication_slot('%[1]s', 'pgoutput')",
		"moved": "SELECT pg_replication_slot_advance('%[1]s', pg_current_wal_lsn())",
	} {
		t.Run(name, func(t *testing.T) {
			rig := newPublisherRig(t)
			p := rig.publish()
			rig.approve("order-1")
			rig.awaitTypes("order-1", "order-approved")
			p.stop()
			rig.exec("SET synchronous_commit = on") // a slot is moved no further than the log is flushed
			rig.ship("order-1")
			rig.approve("order-2")
			rig.execWhenSlotFree(fmt.Sprintf(meddle, rig.name))

			rig.publish()

			rig.awaitTypes("order-1", "order-approved", "order-shipped")
			rig.awaitTypes("order-2", "order-approved")
			rig.requireRebuilds(0, rebuildSlotLost) // the slot is there
			rig.requireRebuilds(1, rebuildOther)
		})
	}
}

func TestCheckpoint_AnotherServerOrTimeline(t *testing.T) {
	for name, restored := range map[string]string{
		"another server":   "UPDATE publisher_mark SET system_id = '1'",
		"another timeline": "UPDATE publisher_mark SET timeline = timeline + 1",
		"no checkpoint":    "DELETE FROM publisher_mark",
		"an older program": "UPDATE publisher_mark SET publication = ''",
	} {
		t.Run(name, func(t *testing.T) {
			rig := newPublisherRig(t)
			p := rig.publish()
			rig.approveMany("order", 20)
			rig.ship("order-3")
			rig.awaitAll()
			p.awaitPhase(phaseStream)
			p.stop()
			before := rig.count(resultPublished)
			rig.exec(restored)

			rig.publish().awaitPhase(phaseStream)

			require.GreaterOrEqual(t, rig.count(resultPublished), before+21, "the whole history must be read again")
			rig.awaitAll()
		})
	}
}

func TestSnapshotCommand_PublisherRunning(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	rig.approveMany("order", 20)
	rig.awaitAll()
	p.awaitPhase(phaseStream)
	require.NoError(t, rig.command(nil, "snapshot"))
	rig.awaitAtLeast(40, resultPublished)
	rig.awaitAll()
}

func TestSlot_LostLogIsReplaced(t *testing.T) {
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, Settings: map[string]string{
		"max_slot_wal_keep_size": "1MB", "min_wal_size": "32MB", "max_wal_size": "48MB",
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	rig := newRigOnServer(t, pg.URL)
	p := rig.publish()
	rig.approveMany("order-early", 30)
	rig.awaitAll()
	p.awaitPhase(phaseStream)
	p.stop()
	rig.approveMany("order-late", 30)
	rig.ship("order-early-3")
	for range 6 {
		rig.exec("SELECT pg_switch_wal()")
		rig.exec("CREATE TABLE filling AS SELECT repeat('x', 500) FROM generate_series(1, 10000)")
		rig.exec("DROP TABLE filling")
	}
	rig.exec("CHECKPOINT")
	require.Equal(t, "lost", value[string](rig, "SELECT wal_status FROM pg_replication_slots"))

	again := rig.publish()

	rig.awaitTypes("order-early-3", "order-approved", "order-shipped")
	rig.awaitAll()
	again.awaitPhase(phaseStream)
	rig.ship("order-late-3")
	rig.awaitTypes("order-late-3", "order-approved", "order-shipped")
	require.NotEqual(t, "lost", value[string](rig, "SELECT wal_status FROM pg_replication_slots"))
}

// Decoding uses the publication as it was when the log was written, so a recreated
// publication is unknown to what the slot still has to send.
func TestPublication_DroppedAndRecreated(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	rig.exec("DROP PUBLICATION orderflow")
	rig.approve("order-1")
	again := rig.publish()
	_, err := rig.publication().Check(t.Context())
	require.ErrorIs(t, err, postgres.ErrNoPublication)
	never(t, func() bool { return again.phase.Load() == phaseStream }, 500*time.Millisecond)
	rig.exec("CREATE PUBLICATION orderflow FOR TABLE order_fulfillment_history WITH (publish = 'insert')")
	rig.awaitTypes("order-1", "order-approved")
	again.awaitPhase(phaseStream)
	rig.approve("order-2")
	rig.awaitTypes("order-2", "order-approved")
}

func TestRun_ServerWithoutLogicalDecoding(t *testing.T) {
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true, Settings: map[string]string{
		"wal_level": "replica",
	}})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	rig := newRigOnServer(t, pg.URL)
	for _, args := range [][]string{nil, {"setup"}} {
		err := rig.command(nil, args...)
		require.EqualError(t, err, "POSTGRES_URL: must be a server that runs with wal_level=logical; "+
			"this one runs with wal_level=replica: change it in postgresql.conf and restart the server")
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
	}
}

func TestRun_SlotOfAnotherKindOrDatabase(t *testing.T) {
	rig := newPublisherRig(t)
	elsewhere := newSecondRig(t)
	for name, sql := range map[string]string{
		rig.name + "_physical": "SELECT pg_create_physical_replication_slot('%s')",
		rig.name + "_test":     "SELECT pg_create_logical_replication_slot('%s', 'test_decoding')",
	} {
		rig.exec(fmt.Sprintf(sql, name))
		err := rig.command([]string{"PUBLISHER_SLOT=" + name})
		require.ErrorContains(t, err, "PUBLISHER_SLOT: must name a slot of our own")
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		rig.exec("SELECT pg_drop_replication_slot($1)", name)
	}
	elsewhere.exec("SELECT pg_create_logical_replication_slot($1, 'pgoutput')", elsewhere.name)
	require.ErrorContains(t, rig.command([]string{"PUBLISHER_SLOT=" + elsewhere.name}), "PUBLISHER_SLOT: must name a slot of our own")
}
