package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
)

func (rig *publisherRig) exec(sql string, args ...any) {
	rig.t.Helper()
	_, err := rig.db.Exec(rig.t.Context(), sql, args...)
	require.NoError(rig.t, err, sql)
}

// value reads one value.
func value[T any](rig *publisherRig, sql string, args ...any) (v T) {
	rig.t.Helper()
	return query[T](rig.t, rig, sql, args...)
}

// query reads one value for a polling assertion, which repeats a failed query.
func query[T any](t require.TestingT, rig *publisherRig, sql string, args ...any) (v T) {
	require.NoError(t, rig.pool.QueryRow(rig.t.Context(), sql, args...).Scan(&v), sql)
	return v
}

const insertOrder = `INSERT INTO order_fulfillment
	(order_id, customer_id, status, reason, total_minor, currency, shipping_method, recipient_name, address_lines, source_event_id, placed_at)
	VALUES ($1, 'customer-7', $2, $3, 488549, 'USD', 'express', 'canary-name', '{canary-street}', 'source-1', '2025-01-01T01:11:30Z')`

// approve inserts the fulfillment rows of orders.
func (rig *publisherRig) approve(orders ...string) {
	rig.t.Helper()
	for _, id := range orders {
		rig.exec(insertOrder, id, "fulfilling", nil)
	}
}

func (rig *publisherRig) ship(id string) {
	rig.t.Helper()
	rig.exec(`UPDATE order_fulfillment SET status = 'shipped', carrier = 'DHL', tracking_number = '42' WHERE order_id = $1`, id)
}

func (rig *publisherRig) cancelOrder(id string) {
	rig.t.Helper()
	rig.exec(`UPDATE order_fulfillment SET status = 'cancelled', reason = 'CANCELLED' WHERE order_id = $1`, id)
}

// change writes another version of an order in fulfillment.
func (rig *publisherRig) change(id, method string) {
	rig.t.Helper()
	rig.exec(`UPDATE order_fulfillment SET shipping_method = $2 WHERE order_id = $1`, id, method)
}

// approveMany inserts n orders, each in its own transaction: prefix-0, prefix-1...
func (rig *publisherRig) approveMany(prefix string, n int) {
	rig.t.Helper()
	batch := &pgx.Batch{}
	for i := range n {
		batch.Queue("BEGIN")
		batch.Queue(insertOrder, fmt.Sprintf("%s-%d", prefix, i), "fulfilling", nil)
		batch.Queue("COMMIT")
	}
	require.NoError(rig.t, rig.db.SendBatch(rig.t.Context(), batch).Close())
}

// types returns the event types of an order's stream in stream order.
func (rig *publisherRig) types(id string) []string {
	rig.t.Helper()
	return rig.typesFor(rig.t, id)
}

func (rig *publisherRig) typesFor(t require.TestingT, id string) []string {
	types := []string{}
	err := rig.events.ReadStream(rig.t.Context(), "fulfillment-"+id, 0, 0, func(e kurrent.Event) error {
		types = append(types, e.Type)
		return nil
	})
	if !errors.Is(err, kurrent.ErrNotFound) {
		require.NoError(t, err)
	}
	return types
}

func (rig *publisherRig) awaitTypes(id string, want ...string) {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) { require.Equal(c, want, rig.typesFor(c, id)) }, waitLong, waitTick)
}

// awaitAll waits until every version in the history is the event of the same revision in
// its order's stream, and there are no other events.
func (rig *publisherRig) awaitAll() {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.Empty(c, differences(rig.versions(c), rig.published(c)))
	}, waitLong, 50*time.Millisecond)
}

// differences describes the first few orders whose versions and events differ.
func differences(versions, events map[string][]string) []string {
	const enough = 5
	var found []string
	for id := range versions {
		if !slices.Equal(versions[id], events[id]) && len(found) < enough {
			found = append(found, fmt.Sprintf("%s: versions %v, events %v", id, versions[id], events[id]))
		}
	}
	for id := range events {
		if versions[id] == nil && len(found) < enough {
			found = append(found, fmt.Sprintf("%s: no versions, events %v", id, events[id]))
		}
	}
	return found
}

// versions returns the history by order.
func (rig *publisherRig) versions(t require.TestingT) map[string][]string {
	rows, err := rig.pool.Query(rig.t.Context(), "SELECT order_id, array_agg(event_type || ' ' || revision ORDER BY revision) FROM order_fulfillment_history GROUP BY order_id")
	require.NoError(t, err)
	all := map[string][]string{}
	var id string
	var types []string
	_, err = pgx.ForEachRow(rows, []any{&id, &types}, func() error {
		all[id] = types
		return nil
	})
	require.NoError(t, err)
	return all
}

// published returns the events of every stream by order.
func (rig *publisherRig) published(t require.TestingT) map[string][]string {
	all := map[string][]string{}
	err := rig.events.ReadStream(rig.t.Context(), "$streams", 0, 0, func(link kurrent.Event) error {
		stream, _, ok := kurrent.LinkTarget(link)
		if !ok || len(stream) < len("fulfillment-") || stream[:len("fulfillment-")] != "fulfillment-" {
			return nil
		}
		return rig.events.ReadStream(rig.t.Context(), stream, 0, 0, func(e kurrent.Event) error {
			data, err := fulfillment.DecodeEvent(e.Data)
			if err != nil {
				return err
			}
			all[data.OrderID] = append(all[data.OrderID], fmt.Sprintf("%s %d", e.Type, data.Revision))
			if int64(e.Revision) != data.Revision {
				all[data.OrderID] = append(all[data.OrderID], fmt.Sprintf("found at revision %d", e.Revision))
			}
			return nil
		})
	})
	if !errors.Is(err, kurrent.ErrNotFound) {
		require.NoError(t, err)
	}
	return all
}

func (rig *publisherRig) count(r result) int {
	return int(testutil.ToFloat64(rig.metrics.events.WithLabelValues(string(r))))
}

// requireRebuilds requires how often the history was read from its beginning for a reason.
func (rig *publisherRig) requireRebuilds(want int, reason string) {
	rig.t.Helper()
	require.Equal(rig.t, want, int(testutil.ToFloat64(rig.metrics.rebuilds.WithLabelValues(reason))), reason)
}

// awaitAtLeast waits until at least so many versions have this result. A version that is
// read twice counts twice, and it counts a moment after its event is appended.
func (rig *publisherRig) awaitAtLeast(want int, r result) {
	rig.t.Helper()
	require.Eventually(rig.t, func() bool { return rig.count(r) >= want }, waitLong, waitTick, r)
}

// awaitReason waits until an order is set aside with this code.
func (rig *publisherRig) awaitReason(order, want string) {
	rig.t.Helper()
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) { require.Equal(c, want, rig.reason(order)) }, waitLong, waitTick, "%q", order)
}

// awaitConfirmed waits until everything the server has written by now is confirmed,
// except for the last idleBytes.
func (rig *publisherRig) awaitConfirmed() {
	rig.t.Helper()
	end := value[string](rig, "SELECT pg_current_wal_insert_lsn()::text")
	require.EventuallyWithT(rig.t, func(c *assert.CollectT) {
		require.True(c, query[bool](c, rig, "SELECT confirmed_flush_lsn + $2::numeric >= $3::text::pg_lsn FROM pg_replication_slots WHERE slot_name = $1",
			rig.name, idleBytes, end))
	}, waitLong, waitTick)
}
