package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/postgres"
)

const rightPublication = "ALTER PUBLICATION orderflow SET TABLE order_fulfillment_history"

// wrongPublications are what makes the server leave versions, or columns, out of the stream, and what takes it back.
func wrongPublications() map[string]struct{ wrong, right string } {
	return map[string]struct{ wrong, right string }{
		"row filter":   {rightPublication + " WHERE (revision > 0)", rightPublication},
		"failing":      {rightPublication + " WHERE (1 / revision > 0)", rightPublication},
		"column list":  {rightPublication + " (id, order_id, revision)", rightPublication},
		"no inserts":   {"ALTER PUBLICATION orderflow SET (publish = 'truncate')", "ALTER PUBLICATION orderflow SET (publish = 'insert')"},
		"no table":     {"ALTER PUBLICATION orderflow DROP TABLE order_fulfillment_history", "ALTER PUBLICATION orderflow ADD TABLE order_fulfillment_history"},
		"another name": {"ALTER PUBLICATION orderflow RENAME TO moved", "ALTER PUBLICATION moved RENAME TO orderflow"},
	}
}

func TestPublicationThatChangesWhileThePublisherRuns(t *testing.T) {
	for name, c := range wrongPublications() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish()
			p.awaitPhase(phaseStream)
			w.approve("order-early")
			w.awaitTypes("order-early", "order-approved")

			w.exec(c.wrong)
			w.approve("order-1")
			require.EventuallyWithT(t, func(c *assert.CollectT) {
				require.ErrorIs(c, p.ready(t.Context()), postgres.ErrNoPublication)
				require.Zero(c, gathered(c, p)["orderflow_publisher_publication_complete"])
			}, waitLong, waitTick)
			w.approve("order-2")
			w.exec(c.right)

			w.awaitTypes("order-1", "order-approved")
			w.awaitAll()
			p.awaitPhase(phaseStream)
			require.EqualValues(t, 1, gathered(t, p)["orderflow_publisher_publication_complete"])
			w.ship("order-2")
			w.awaitTypes("order-2", "order-approved", "order-shipped")
			require.Zero(t, w.count(resultSetAside))
		})
	}
}

// It is right whenever the publisher looks, and was wrong in between.
func TestPublicationThatChangedWhileThePublisherWasDown(t *testing.T) {
	for name, c := range wrongPublications() {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish()
			p.awaitPhase(phaseStream)
			w.approve("order-early")
			w.awaitTypes("order-early", "order-approved")
			p.stop()
			w.exec(c.wrong)
			w.approve("order-1")
			w.exec(c.right)
			w.approve("order-2")

			again := w.publish()

			w.awaitTypes("order-1", "order-approved")
			w.awaitAll()
			again.awaitPhase(phaseStream)
			w.ship("order-1")
			w.awaitTypes("order-1", "order-approved", "order-shipped")
		})
	}
}

// A row in the slot that is not as the program knows it, though the history is.
func TestSlotWithUndecodableData(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.exec("BEGIN")
	w.exec("SET LOCAL session_replication_role = replica") // its triggers let nobody write to it
	w.exec("ALTER TABLE order_fulfillment_history RENAME COLUMN event_type TO kind")
	w.exec(`INSERT INTO order_fulfillment_history (order_id, revision, kind, new, at) VALUES ('order-x', 0, 'order-approved', $1, now())`, goodImage)
	w.exec("ALTER TABLE order_fulfillment_history RENAME COLUMN kind TO event_type")
	w.exec("COMMIT")
	w.approve("order-1")

	w.awaitTypes("order-x", "order-approved")
	w.awaitTypes("order-1", "order-approved")
	p.awaitPhase(phaseStream)
}

// What a filter kept from the stream is not pruned as if it were published, and what was pruned before is not missed.
func TestPublicationOfAPrunedHistory(t *testing.T) {
	w := newWorld(t)
	w.settings.retention = time.Hour
	w.approveMany("order-old", 30)
	w.age(2 * time.Hour)
	p := w.publish()
	w.awaitLeft(0)
	w.ship("order-old-3")
	w.awaitTypes("order-old-3", "order-approved", "order-shipped")
	p.stop()
	w.exec(rightPublication + " WHERE (revision > 7)")
	w.ship("order-old-4")
	w.age(2 * time.Hour)
	w.exec(rightPublication)

	w.publish().awaitPhase(phaseStream)

	w.awaitTypes("order-old-4", "order-approved", "order-shipped")
	w.awaitLeft(0)
	require.Zero(t, w.count(resultSetAside))
	require.Zero(t, w.count(resultDeferred))
}
