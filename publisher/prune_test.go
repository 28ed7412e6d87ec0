package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

// age makes every version there is look old.
func (w *world) age(by time.Duration) {
	w.t.Helper()
	w.exec("SET session_replication_role = replica")
	w.exec("UPDATE order_fulfillment_history SET at = at - $1::interval", by)
	w.exec("SET session_replication_role = origin")
}

func (w *world) left() int {
	w.t.Helper()
	return value[int](w, countHistory)
}

const countHistory = "SELECT count(*) FROM order_fulfillment_history"

// awaitLeft waits until the history has so many versions.
func (w *world) awaitLeft(want int) {
	w.t.Helper()
	require.EventuallyWithT(w.t, func(c *assert.CollectT) { require.Equal(c, want, look[int](c, w, countHistory)) }, waitLong, waitTick)
}

func TestVersionsThatArePublishedAndOldAreDropped(t *testing.T) {
	w := newWorld(t)
	w.settings.retention = time.Hour
	w.approveMany("order-old", 30)
	w.age(2 * time.Hour)
	w.approveMany("order-young", 5)
	p := w.publish()
	w.awaitLeft(5)
	w.ship("order-old-3")
	w.awaitTypes("order-old-3", "order-approved", "order-shipped")
	p.awaitPhase(phaseStream)
	p.stop()

	// After a lost slot the history no longer has the first version, and need not.
	w.onFreeSlot("SELECT pg_drop_replication_slot($1)", w.name)
	again := w.publish()
	again.awaitPhase(phaseStream)
	w.approve("order-new")
	w.awaitTypes("order-new", "order-approved")
	require.Equal(t, []string{"order-approved", "order-shipped"}, w.types("order-old-3"))
	require.Zero(t, w.count(resultSetAside))
}

func TestNothingIsDroppedThatIsNotPublishedOrIsSetAside(t *testing.T) {
	w := newWorld(t)
	w.settings.retention = time.Hour
	away := w.behindProxy()
	w.publish().awaitPhase(phaseStream)
	w.foreignEvent("fulfillment-order-aside")
	w.approve("order-aside", "order-fine")
	w.awaitReason("order-aside", codeOther)
	away.shut()
	w.approve("order-waiting")
	w.age(2 * time.Hour)
	never(t, func() bool { return w.left() < 2 }, time.Second)
	away.open()
	w.awaitLeft(1)
	require.Equal(t, "order-aside", value[string](w, "SELECT order_id FROM order_fulfillment_history"))
}

// A transaction that is open has an id below the ones that are published. It is not there to be dropped, and when it
// commits it is old at once.
func TestAVersionThatCommitsLateIsNotDroppedUnpublished(t *testing.T) {
	w := newWorld(t)
	w.settings.retention = time.Hour
	away := w.behindProxy()
	p := w.publish()
	p.awaitPhase(phaseStream)
	slow, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer func() { _ = slow.Close(t.Context()) }()
	for _, sql := range []string{"BEGIN", "SET LOCAL session_replication_role = replica"} {
		_, err = slow.Exec(t.Context(), sql)
		require.NoError(t, err)
	}
	_, err = slow.Exec(t.Context(), `INSERT INTO order_fulfillment_history (order_id, revision, event_type, new, at)
		VALUES ('order-x', 0, 'order-approved', $1, now() - interval '1 day')`, goodImage)
	require.NoError(t, err)
	w.approveMany("order-quick", 20)
	w.awaitTypes("order-quick-19", "order-approved")
	away.shut()
	_, err = slow.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	never(t, func() bool { return w.left() < 21 }, time.Second)
	away.open()
	w.awaitTypes("order-x", "order-approved")
	w.awaitLeft(20)
}

func TestWithoutARetentionTheHistoryIsKept(t *testing.T) {
	w := newWorld(t)
	w.approve("order-old")
	w.age(100_000 * time.Hour)
	w.publish()
	w.awaitAll()
	never(t, func() bool { return w.left() == 0 }, 500*time.Millisecond)
}

func TestPruningGoesInPortions(t *testing.T) {
	w := newWorld(t)
	w.approveMany("order", 2_500)
	w.age(time.Hour)
	pruned, err := w.store().PruneHistory(t.Context(), time.Minute, 1<<40)
	require.NoError(t, err)
	require.EqualValues(t, 2_000, pruned)
	require.NoError(t, w.store().SetAside(t.Context(), postgres.SetAside{OrderID: "order-2400", Code: "TEST"}))
	pruned, err = w.store().PruneHistory(t.Context(), time.Minute, 1<<40)
	require.NoError(t, err)
	require.EqualValues(t, 499, pruned)
}
