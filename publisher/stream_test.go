package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestStream_LongTransactionCommitsLast(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	slow, err := pgx.Connect(t.Context(), rig.url)
	require.NoError(t, err)
	defer func() { _ = slow.Close(t.Context()) }()
	_, err = slow.Exec(t.Context(), "BEGIN")
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), insertOrder, "order-slow", "fulfilling", nil)
	require.NoError(t, err)
	rig.approveMany("order-quick", 100)
	rig.awaitTypes("order-quick-99", "order-approved")
	require.Empty(t, rig.types("order-slow"))
	rig.awaitConfirmed()
	p.stop()
	rig.publish().awaitPhase(phaseStream)

	_, err = slow.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)

	rig.awaitTypes("order-slow", "order-approved")
	rig.awaitAll()
}

func TestStream_RolledBackVersions(t *testing.T) {
	rig := newPublisherRig(t)
	rig.publish().awaitPhase(phaseStream)
	rig.exec("BEGIN")
	rig.approve("order-gone")
	rig.exec("ROLLBACK")
	rig.exec("BEGIN")
	rig.approve("order-kept")
	rig.exec("SAVEPOINT s")
	rig.change("order-kept", "never")
	rig.approve("order-gone-too")
	rig.exec("ROLLBACK TO s")
	rig.change("order-kept", "overnight")
	rig.exec("COMMIT")
	rig.approve("order-last")
	rig.awaitTypes("order-last", "order-approved")
	rig.awaitAll()
	require.Equal(t, []string{"order-approved", "fulfillment-changed"}, rig.types("order-kept"))
	require.Empty(t, rig.types("order-gone"))
	require.Empty(t, rig.types("order-gone-too"))
}

func TestStream_UnchangedUpdateHasNoEvent(t *testing.T) {
	rig := newPublisherRig(t)
	rig.publish().awaitPhase(phaseStream)
	rig.approve("order-1")
	rig.exec("UPDATE order_fulfillment SET shipping_method = shipping_method, recipient_name = 'somebody else'")
	rig.ship("order-1")
	rig.awaitTypes("order-1", "order-approved", "order-shipped")
}

func TestStream_LargeTransactionSmallWindow(t *testing.T) {
	rig := newPublisherRig(t)
	rig.settings.window = 4
	rig.publish().awaitPhase(phaseStream)
	rig.exec("BEGIN")
	for i := range 30 {
		rig.approve(fmt.Sprintf("order-%d", i))
	}
	for i := range 300 {
		rig.change(fmt.Sprintf("order-%d", i%30), fmt.Sprintf("method %d", i))
	}
	rig.exec("COMMIT")
	rig.awaitAll()
	rig.awaitConfirmed()
}

// Another table fills the log with changes that are not published.
func TestStream_IdleTableDoesNotRetainLog(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.exec("CREATE TABLE busy (filling text)")
	for range 5 {
		rig.exec("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
		rig.awaitConfirmed()
	}
	require.EqualValues(t, 0, rig.count(resultPublished))
	require.Eventually(t, func() bool { // parallel tests write to the same log
		lag, err := p.publication.SlotLag(t.Context(), rig.name, 0)
		return err == nil && lag < int64(idleBytes)+64<<10
	}, waitLong, waitTick)
}

// Confirming must not cause writes that need confirming, so an idle server stays idle.
func TestStream_IdleServerStaysIdle(t *testing.T) {
	rig := newDedicatedServerRig(t)
	rig.approve("order-1")
	rig.publish()
	rig.awaitTypes("order-1", "order-approved")
	rig.awaitConfirmed()
	rig.requireNoWrites(5, 3*time.Second) // this server flushes its log five times a second, and each flush could move the checkpoint
}

func TestStream_IgnoresOtherTablesAndNewColumns(t *testing.T) {
	rig := newPublisherRig(t)
	rig.exec("CREATE TABLE stray (id int PRIMARY KEY)")
	rig.exec("ALTER PUBLICATION orderflow ADD TABLE stray")
	rig.exec("ALTER PUBLICATION orderflow SET (publish = 'insert, update, delete, truncate')")
	rig.publish().awaitPhase(phaseStream)
	rig.exec("INSERT INTO stray VALUES (1), (2)")
	rig.exec("UPDATE stray SET id = id + 10")
	rig.exec("DELETE FROM stray")
	rig.exec("TRUNCATE stray")
	rig.exec("ALTER TABLE order_fulfillment_history ADD COLUMN extra text DEFAULT 'x'")
	rig.approve("order-1")
	rig.awaitTypes("order-1", "order-approved")
	rig.awaitAtLeast(2, resultIgnored)
}

func TestStream_KeepaliveDuringKurrentDBOutage(t *testing.T) {
	rig := newPublisherRig(t)
	const silence = 6 * time.Second // the server disconnects after it
	rig.exec(fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET wal_sender_timeout = '%dms'", "orderflow", rig.name, silence.Milliseconds()))
	proxy := rig.useProxy()
	rig.settings.window = 2
	p := rig.publish()
	p.awaitPhase(phaseStream)
	proxy.Stall()
	rig.approveMany("order", 50)
	pid := value[int](rig, "SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1", rig.name)
	never(t, func() bool {
		return value[int](rig, "SELECT coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = $1", rig.name) != pid
	}, 2*silence+silence/2, "the server has disconnected")
	require.NoError(t, p.ready(t.Context()))
	require.Greater(t, p.lagNow(), time.Second)
	proxy.Resume()
	rig.awaitAll()
	rig.awaitConfirmed()
	require.Eventually(t, func() bool { return p.lagNow() == 0 }, waitLong, waitTick)
}
