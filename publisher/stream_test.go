package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

func TestWhatIsThereBeforeTheFirstStartIsPublished(t *testing.T) {
	w := newWorld(t)
	w.approveMany("order-early", 1_200)
	w.ship("order-early-7")
	w.publish()
	w.awaitAll()
	w.awaitAtLeast(1_201, resultPublished)
}

func TestAVersionWhoseTransactionTookLongIsPublishedThoughLaterOnesWent(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	slow, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer func() { _ = slow.Close(t.Context()) }()
	_, err = slow.Exec(t.Context(), "BEGIN")
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), insertOrder, "order-slow", "fulfilling", nil)
	require.NoError(t, err)
	w.approveMany("order-quick", 100)
	w.awaitTypes("order-quick-99", "order-approved")
	require.Empty(t, w.types("order-slow"))
	w.awaitConfirmed()
	p.stop()
	w.publish().awaitPhase(phaseStream)

	_, err = slow.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)

	w.awaitTypes("order-slow", "order-approved")
	w.awaitAll()
}

func TestAVersionThatCommitsDuringTheSnapshotIsPublished(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	slow, err := pgx.Connect(t.Context(), w.url)
	require.NoError(t, err)
	defer func() { _ = slow.Close(t.Context()) }()
	_, err = slow.Exec(t.Context(), "BEGIN")
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), insertOrder, "order-slow", "fulfilling", nil)
	require.NoError(t, err)
	w.approveMany("order-quick", 50)
	w.exec("DELETE FROM publisher_mark")

	again := w.publish()
	again.awaitPhase(phaseSnapshot)
	_, err = slow.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	again.awaitPhase(phaseStream)

	w.awaitAll()
}

func TestWhatIsRolledBackIsNeverPublished(t *testing.T) {
	w := newWorld(t)
	w.publish().awaitPhase(phaseStream)
	w.exec("BEGIN")
	w.approve("order-gone")
	w.exec("ROLLBACK")
	w.exec("BEGIN")
	w.approve("order-kept")
	w.exec("SAVEPOINT s")
	w.change("order-kept", "never")
	w.approve("order-gone-too")
	w.exec("ROLLBACK TO s")
	w.change("order-kept", "overnight")
	w.exec("COMMIT")
	w.approve("order-last")
	w.awaitTypes("order-last", "order-approved")
	w.awaitAll()
	require.Equal(t, []string{"order-approved", "fulfillment-changed"}, w.types("order-kept"))
	require.Empty(t, w.types("order-gone"))
	require.Empty(t, w.types("order-gone-too"))
}

func TestAChangeToTheSameValuesIsNoEvent(t *testing.T) {
	w := newWorld(t)
	w.publish().awaitPhase(phaseStream)
	w.approve("order-1")
	w.exec("UPDATE order_fulfillment SET shipping_method = shipping_method, recipient_name = 'somebody else'")
	w.ship("order-1")
	w.awaitTypes("order-1", "order-approved", "order-shipped")
}

func TestManyVersionsInOneTransactionArePublishedWithFewInFlight(t *testing.T) {
	w := newWorld(t)
	w.settings.window = 4
	w.publish().awaitPhase(phaseStream)
	w.exec("BEGIN")
	for i := range 30 {
		w.approve(fmt.Sprintf("order-%d", i))
	}
	for i := range 300 {
		w.change(fmt.Sprintf("order-%d", i%30), fmt.Sprintf("method %d", i))
	}
	w.exec("COMMIT")
	w.awaitAll()
	w.awaitConfirmed()
}

// Another table fills the log, and nothing of it is for us.
func TestAQuietTableDoesNotKeepTheLog(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.exec("CREATE TABLE busy (filling text)")
	for range 5 {
		w.exec("INSERT INTO busy SELECT repeat('x', 1000) FROM generate_series(1, 2000)")
		w.awaitConfirmed()
	}
	require.EqualValues(t, 0, w.count(resultPublished))
	require.Eventually(t, func() bool { // tests beside this one write to the same log
		lag, err := p.store.SlotLag(t.Context(), w.name, 0)
		return err == nil && lag < int64(quietBytes)+64<<10
	}, waitLong, waitTick)
}

// A server at rest is left at rest: confirming must not feed itself.
func TestAQuietServerIsNotWrittenTo(t *testing.T) {
	w := aloneWorld(t)
	w.approve("order-1")
	w.publish()
	w.awaitTypes("order-1", "order-approved")
	w.awaitConfirmed()
	w.neverWrites(5, 3*time.Second) // this server flushes its log five times a second, and each could move the mark
}

func TestRowsOfOtherTablesAndNewColumnsAreNoMatter(t *testing.T) {
	w := newWorld(t)
	w.exec("CREATE TABLE stray (id int PRIMARY KEY)")
	w.exec("ALTER PUBLICATION orderflow ADD TABLE stray")
	w.exec("ALTER PUBLICATION orderflow SET (publish = 'insert, update, delete, truncate')")
	w.publish().awaitPhase(phaseStream)
	w.exec("INSERT INTO stray VALUES (1), (2)")
	w.exec("UPDATE stray SET id = id + 10")
	w.exec("DELETE FROM stray")
	w.exec("TRUNCATE stray")
	w.exec("ALTER TABLE order_fulfillment_history ADD COLUMN extra text DEFAULT 'x'")
	w.approve("order-1")
	w.awaitTypes("order-1", "order-approved")
	w.awaitAtLeast(2, resultIgnored)
}

func TestTheServerHearsOfUsWhileKurrentDBIsAway(t *testing.T) {
	w := newWorld(t)
	const silence = 3 * time.Second // the server hangs up after it
	w.exec(fmt.Sprintf("ALTER ROLE %s IN DATABASE %s SET wal_sender_timeout = '%dms'", "orderflow", w.name, silence.Milliseconds()))
	away := w.behindProxy()
	w.settings.window = 2
	p := w.publish()
	p.awaitPhase(phaseStream)
	away.shut()
	w.approveMany("order", 50)
	pid := value[int](w, "SELECT active_pid FROM pg_replication_slots WHERE slot_name = $1", w.name)
	never(t, func() bool {
		return value[int](w, "SELECT coalesce(active_pid, 0) FROM pg_replication_slots WHERE slot_name = $1", w.name) != pid
	}, 2*silence+silence/2, "the server has hung up")
	require.NoError(t, p.ready(t.Context()))
	require.Greater(t, p.lagNow(), time.Second)
	away.open()
	w.awaitAll()
	w.awaitConfirmed()
	require.Eventually(t, func() bool { return p.lagNow() == 0 }, waitLong, waitTick)
}
