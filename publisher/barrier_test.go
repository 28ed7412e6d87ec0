package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// aloneWorld makes a world on a server where nobody else takes transaction numbers.
func aloneWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	return lonelyWorld(t, pg.URL)
}

// begin opens a transaction that has its number.
func (w *world) begin() pgx.Tx {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.url)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { _ = conn.Close(w.t.Context()) })
	tx, err := conn.Begin(w.t.Context())
	require.NoError(w.t, err)
	_, err = tx.Exec(w.t.Context(), "SELECT pg_current_xact_id()")
	require.NoError(w.t, err)
	return tx
}

// The number of the one that is open is above that of every transaction that has ended, and its id below the other's.
func TestTheHistoryIsNotSettledWhileTheYoungestTransactionIsOpen(t *testing.T) {
	w := aloneWorld(t)
	elder, younger := w.begin(), w.begin()
	_, err := younger.Exec(t.Context(), insertOrder, "order-open", "fulfilling", nil)
	require.NoError(t, err)
	_, err = elder.Exec(t.Context(), insertOrder, "order-done", "fulfilling", nil)
	require.NoError(t, err)
	require.NoError(t, elder.Commit(t.Context()))

	head, err := w.store().HistoryHead(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, head.LastID)
	settled, _, err := w.store().Settled(t.Context(), head)
	require.NoError(t, err)
	require.False(t, settled, "version 1 is still to come")

	require.NoError(t, younger.Commit(t.Context()))
	w.begin() // one that began later does not matter
	settled, below, err := w.store().Settled(t.Context(), head)
	require.NoError(t, err)
	require.True(t, settled)
	require.NotZero(t, below)
	page, err := w.store().HistoryPage(t.Context(), 0, head.LastID, 10)
	require.NoError(t, err)
	require.Len(t, page, 2)
}

// What may not be dropped is looked for without writing: a server at rest stays at rest.
func TestPruningWritesNothingWhileNothingCanBeDropped(t *testing.T) {
	w := aloneWorld(t)
	w.settings.retention = time.Hour
	w.foreignEvent("fulfillment-order-aside")
	w.approve("order-aside")
	w.publish().awaitPhase(phaseStream)
	w.awaitReason("order-aside", codeOther)
	w.age(2 * time.Hour)
	w.approve("order-young")
	w.awaitTypes("order-young", "order-approved")
	w.awaitConfirmed()
	w.neverWrites(10, 20*w.settings.pace.Prune)
}

// neverWrites looks for a while whether as many transactions that write come as would with something that goes on and on.
// That they do not shows only in time; on a slow machine fewer could. The server has to be the test's own.
func (w *world) neverWrites(many int64, during time.Duration) {
	w.t.Helper()
	taken := func() int64 {
		return value[int64](w, "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
	}
	before := taken()
	never(w.t, func() bool { return taken()-before >= many }, during, "the server is written to")
}
