package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
	"orderflow/internal/publish"
)

// age makes every version older.
func (rig *publisherRig) age(by time.Duration) {
	rig.t.Helper()
	rig.exec("SET session_replication_role = replica")
	rig.exec("UPDATE order_fulfillment_history SET at = at - $1::interval", by)
	rig.exec("SET session_replication_role = origin")
}

func (rig *publisherRig) historySize() int {
	rig.t.Helper()
	return value[int](rig, countHistory)
}

const countHistory = "SELECT count(*) FROM order_fulfillment_history"

// awaitHistorySize waits until the history has exactly so many versions.
func (rig *publisherRig) awaitHistorySize(want int) {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) { require.Equal(c, want, query[int](c, rig, countHistory)) }, waitLong, waitTick)
}

func TestPrune_DeletesOldPublishedVersions(t *testing.T) {
	rig := newPublisherRig(t)
	rig.settings.retention = time.Hour
	rig.approveMany("order-old", 30)
	rig.age(2 * time.Hour)
	rig.approveMany("order-young", 5)
	p := rig.publish()
	rig.awaitHistorySize(5)
	rig.ship("order-old-3")
	rig.awaitTypes("order-old-3", "order-approved", "order-shipped")
	p.awaitPhase(phaseStream)
	p.stop()

	// After a lost slot, publishing does not need the deleted first version.
	rig.execWhenSlotFree("SELECT pg_drop_replication_slot($1)", rig.name)
	again := rig.publish()
	again.awaitPhase(phaseStream)
	rig.approve("order-new")
	rig.awaitTypes("order-new", "order-approved")
	require.Equal(t, []string{"order-approved", "order-shipped"}, rig.types("order-old-3"))
	require.Zero(t, rig.count(resultSetAside))
}

func TestPrune_KeepsUnpublishedAndSetAsideVersions(t *testing.T) {
	rig := newPublisherRig(t)
	rig.settings.retention = time.Hour
	proxy := rig.useProxy()
	rig.publish().awaitPhase(phaseStream)
	rig.foreignEvent("fulfillment-order-aside")
	rig.approve("order-aside", "order-fine")
	rig.awaitReason("order-aside", publish.CodeOther)
	proxy.Stall()
	rig.approve("order-waiting")
	rig.age(2 * time.Hour)
	never(t, func() bool { return rig.historySize() < 2 }, time.Second)
	proxy.Resume()
	rig.awaitHistorySize(1)
	require.Equal(t, "order-aside", value[string](rig, "SELECT order_id FROM order_fulfillment_history"))
}

// An open transaction has a version id below the published ones. It cannot be deleted
// while it is invisible, and it is old as soon as it commits.
func TestPrune_LateCommit(t *testing.T) {
	rig := newPublisherRig(t)
	rig.settings.retention = time.Hour
	proxy := rig.useProxy()
	p := rig.publish()
	p.awaitPhase(phaseStream)
	slow, err := pgx.Connect(t.Context(), rig.url)
	require.NoError(t, err)
	defer func() { _ = slow.Close(t.Context()) }()
	for _, sql := range []string{"BEGIN", "SET LOCAL session_replication_role = replica"} {
		_, err = slow.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	_, err = slow.Exec(t.Context(), `INSERT INTO order_fulfillment_history (order_id, revision, event_type, new, at)
		VALUES ('order-x', 0, 'order-approved', $1, now() - interval '1 day')`, goodImage)
	require.NoError(t, err)
	rig.approveMany("order-quick", 20)
	rig.awaitTypes("order-quick-19", "order-approved")
	proxy.Stall()
	_, err = slow.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	never(t, func() bool { return rig.historySize() < 21 }, time.Second)
	proxy.Resume()
	rig.awaitTypes("order-x", "order-approved")
	rig.awaitHistorySize(20)
}

func TestPrune_NoRetention(t *testing.T) {
	rig := newPublisherRig(t)
	rig.approve("order-old")
	rig.age(100_000 * time.Hour)
	rig.publish()
	rig.awaitAll()
	never(t, func() bool { return rig.historySize() == 0 }, 500*time.Millisecond)
}

func TestPruneHistory_DeletesInBatches(t *testing.T) {
	rig := newPublisherRig(t)
	rig.approveMany("order", 2_500)
	rig.age(time.Hour)
	first, err := rig.history().Prune(t.Context(), nil, time.Minute, 1<<40)
	require.NoError(t, err)
	require.EqualValues(t, 2_000, first.Versions)
	require.NoError(t, rig.state().SetAside(t.Context(), postgres.SetAside{OrderID: "order-2400", Code: "TEST"}))
	rest, err := rig.history().Prune(t.Context(), first.Last, time.Minute, 1<<40)
	require.NoError(t, err)
	require.EqualValues(t, 499, rest.Versions)
	require.False(t, rest.Last.Before(*first.Last))
	none, err := rig.history().Prune(t.Context(), rest.Last, time.Minute, 1<<40)
	require.NoError(t, err)
	require.Equal(t, postgres.Pruned{}, none)
}

// The check for versions to delete does not write, so an idle server stays idle.
func TestPrune_WritesNothingIfNothingCanBeDeleted(t *testing.T) {
	rig := newDedicatedServerRig(t)
	rig.settings.retention = time.Hour
	rig.foreignEvent("fulfillment-order-aside")
	rig.approve("order-aside")
	rig.publish().awaitPhase(phaseStream)
	rig.awaitReason("order-aside", publish.CodeOther)
	rig.age(2 * time.Hour)
	rig.approve("order-young")
	rig.awaitTypes("order-young", "order-approved")
	rig.awaitConfirmed()
	rig.requireNoWrites(10, 20*rig.settings.intervals.Prune)
}

// requireNoWrites fails if, within the given time, as many writing transactions appear as
// a repeating write would cause. A slow machine could hide such a write. The server must
// belong to the test alone.
func (rig *publisherRig) requireNoWrites(many int64, during time.Duration) {
	rig.t.Helper()
	taken := func() int64 {
		return value[int64](rig, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
	}
	before := taken()
	never(rig.t, func() bool { return taken()-before >= many }, during, "the server is being written to")
}
