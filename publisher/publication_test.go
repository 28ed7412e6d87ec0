package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

const resetPublication = "ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history"

// withholdingPublications returns changes that make the server leave versions or columns
// out of the stream, and the statements that undo them.
func withholdingPublications() map[string]struct{ wrong, right string } {
	return map[string]struct{ wrong, right string }{
		"row filter":   {resetPublication + " WHERE (revision > 0)", resetPublication},
		"failing":      {resetPublication + " WHERE (1 / revision > 0)", resetPublication},
		"column list":  {resetPublication + " (id, order_id, revision)", resetPublication},
		"no inserts":   {"ALTER PUBLICATION orderflow SET (publish = 'truncate')", "ALTER PUBLICATION orderflow SET (publish = 'insert')"},
		"no table":     {"ALTER PUBLICATION orderflow DROP TABLE order_fulfillment_history", "ALTER PUBLICATION orderflow ADD TABLE order_fulfillment_history"},
		"another name": {"ALTER PUBLICATION orderflow RENAME TO moved", "ALTER PUBLICATION moved RENAME TO orderflow"},
	}
}

func TestPublication_ChangedWhilePublisherRuns(t *testing.T) {
	for name, c := range withholdingPublications() {
		t.Run(name, func(t *testing.T) {
			rig := newPublisherRig(t)
			p := rig.publish()
			p.awaitPhase(phaseStream)
			rig.approve("order-early")
			rig.awaitTypes("order-early", "order-approved")

			rig.exec(c.wrong)
			rig.approve("order-1")
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				require.ErrorIs(c, p.ready(t.Context()), postgres.ErrNoPublication)
				require.Zero(c, gatherGauges(c, p)["orderflow_publisher_publication_complete"])
			}, waitLong, waitTick)
			rig.approve("order-2")
			rig.exec(c.right)

			rig.awaitTypes("order-1", "order-approved")
			rig.awaitAll()
			p.awaitPhase(phaseStream)
			require.EqualValues(t, 1, gatherGauges(t, p)["orderflow_publisher_publication_complete"])
			rig.ship("order-2")
			rig.awaitTypes("order-2", "order-approved", "order-shipped")
			require.Zero(t, rig.count(resultSetAside))
		})
	}
}

// The publication is right whenever the publisher checks it, but was wrong in between.
func TestPublication_ChangedWhilePublisherWasDown(t *testing.T) {
	for name, c := range withholdingPublications() {
		t.Run(name, func(t *testing.T) {
			rig := newPublisherRig(t)
			p := rig.publish()
			p.awaitPhase(phaseStream)
			rig.approve("order-early")
			rig.awaitTypes("order-early", "order-approved")
			p.stop()
			rig.exec(c.wrong)
			rig.approve("order-1")
			rig.exec(c.right)
			rig.approve("order-2")

			again := rig.publish()

			rig.awaitTypes("order-1", "order-approved")
			rig.awaitAll()
			again.awaitPhase(phaseStream)
			rig.ship("order-1")
			rig.awaitTypes("order-1", "order-approved", "order-shipped")
		})
	}
}

// A row in the slot has an unknown layout, although the history does not.
func TestSlot_UndecodableData(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.exec("BEGIN")
	rig.exec("SET LOCAL session_replication_role = replica") // the table's triggers reject direct writes
	rig.exec("ALTER TABLE order_fulfillment_history RENAME COLUMN event_type TO kind")
	rig.exec(`INSERT INTO order_fulfillment_history (order_id, revision, kind, new, at) VALUES ('order-x', 0, 'order-approved', $1, now())`, goodImage)
	rig.exec("ALTER TABLE order_fulfillment_history RENAME COLUMN kind TO event_type")
	rig.exec("COMMIT")
	rig.approve("order-1")

	rig.awaitTypes("order-x", "order-approved")
	rig.awaitTypes("order-1", "order-approved")
	p.awaitPhase(phaseStream)
}

// Versions that a filter withheld are not pruned as if they were published, and versions
// pruned earlier are not missed.
func TestPublication_PrunedHistory(t *testing.T) {
	rig := newPublisherRig(t)
	rig.settings.retention = time.Hour
	rig.approveMany("order-old", 30)
	rig.age(2 * time.Hour)
	p := rig.publish()
	rig.awaitHistorySize(0)
	rig.ship("order-old-3")
	rig.awaitTypes("order-old-3", "order-approved", "order-shipped")
	p.stop()
	rig.exec(resetPublication + " WHERE (revision > 7)")
	rig.ship("order-old-4")
	rig.age(2 * time.Hour)
	rig.exec(resetPublication)

	rig.publish().awaitPhase(phaseStream)

	rig.awaitTypes("order-old-4", "order-approved", "order-shipped")
	rig.awaitHistorySize(0)
	require.Zero(t, rig.count(resultSetAside))
	require.Zero(t, rig.count(resultDeferred))
}
