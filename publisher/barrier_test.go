package main

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver"
)

// newDedicatedServerRig returns a rig on its own server, where no other test assigns
// transaction ids.
func newDedicatedServerRig(t *testing.T) *publisherRig {
	t.Helper()
	t.Parallel()
	pg, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{Dir: t.TempDir(), Fast: true})
	require.NoError(t, err)
	t.Cleanup(func() { _ = pg.Stop(t.Context()) })
	return newRigOnServer(t, pg.URL)
}

// begin opens a transaction that has a transaction id.
func (rig *publisherRig) begin() pgx.Tx {
	rig.t.Helper()
	conn, err := pgx.Connect(rig.t.Context(), rig.url)
	require.NoError(rig.t, err)
	rig.t.Cleanup(func() { _ = conn.Close(rig.t.Context()) })
	tx, err := conn.Begin(rig.t.Context())
	require.NoError(rig.t, err)
	_, err = tx.Exec(rig.t.Context(), "SELECT pg_current_xact_id()")
	require.NoError(rig.t, err)
	return tx
}

// The open transaction's id is above that of every ended transaction, and its version's
// id is below the other version's.
func TestSettled_YoungestTransactionOpen(t *testing.T) {
	rig := newDedicatedServerRig(t)
	elder, younger := rig.begin(), rig.begin()
	_, err := younger.Exec(t.Context(), insertOrder, "order-open", "fulfilling", nil)
	require.NoError(t, err)
	_, err = elder.Exec(t.Context(), insertOrder, "order-done", "fulfilling", nil)
	require.NoError(t, err)
	require.NoError(t, elder.Commit(t.Context()))

	head, err := rig.store().HistoryHead(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, head.LastID)
	settled, _, err := rig.store().Settled(t.Context(), head)
	require.NoError(t, err)
	require.False(t, settled, "version 1 has not committed yet")

	require.NoError(t, younger.Commit(t.Context()))
	rig.begin() // a later transaction does not matter
	settled, below, err := rig.store().Settled(t.Context(), head)
	require.NoError(t, err)
	require.True(t, settled)
	require.NotZero(t, below)
	page, err := rig.store().HistoryPage(t.Context(), 0, head.LastID, 10)
	require.NoError(t, err)
	require.Len(t, page, 2)
}

// The check for versions to delete does not write, so an idle server stays idle.
func TestPrune_WritesNothingIfNothingCanBeDeleted(t *testing.T) {
	rig := newDedicatedServerRig(t)
	rig.settings.retention = time.Hour
	rig.foreignEvent("fulfillment-order-aside")
	rig.approve("order-aside")
	rig.publish().awaitPhase(phaseStream)
	rig.awaitReason("order-aside", codeOther)
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
