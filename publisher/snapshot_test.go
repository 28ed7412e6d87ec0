package main

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
)

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

	head, err := rig.history().Head(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 2, head.LastID)
	settled, _, err := rig.history().Settled(t.Context(), head)
	require.NoError(t, err)
	require.False(t, settled, "version 1 has not committed yet")

	require.NoError(t, younger.Commit(t.Context()))
	rig.begin() // a later transaction does not matter
	settled, below, err := rig.history().Settled(t.Context(), head)
	require.NoError(t, err)
	require.True(t, settled)
	require.NotZero(t, below)
	page, err := rig.history().Page(t.Context(), 0, head.LastID, 10)
	require.NoError(t, err)
	require.Len(t, page, 2)
}

func TestSnapshot_PublishesExistingHistory(t *testing.T) {
	rig := newPublisherRig(t)
	rig.approveMany("order-early", 1_200)
	rig.ship("order-early-7")
	rig.publish()
	rig.awaitAll()
	rig.awaitAtLeast(1_201, resultPublished)
}

func TestSnapshot_VersionCommittedMeanwhile(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	p.stop()
	slow, err := pgx.Connect(t.Context(), rig.url)
	require.NoError(t, err)
	defer func() { _ = slow.Close(t.Context()) }()
	_, err = slow.Exec(t.Context(), "BEGIN")
	require.NoError(t, err)
	_, err = slow.Exec(t.Context(), insertOrder, "order-slow", "fulfilling", nil)
	require.NoError(t, err)
	rig.approveMany("order-quick", 50)
	rig.exec("DELETE FROM publisher_mark")

	again := rig.publish()
	again.awaitPhase(phaseSnapshot)
	_, err = slow.Exec(t.Context(), "COMMIT")
	require.NoError(t, err)
	again.awaitPhase(phaseStream)

	rig.awaitAll()
}
