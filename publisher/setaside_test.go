package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
	"orderflow/internal/postgres"
)

const goodImage = `{"order_id": "order-x", "customer_id": "customer-7", "status": "fulfilling", "reason": null, "total_minor": 1,
	"currency": "USD", "carrier": null, "tracking_number": null, "source_event_id": "source-1"}`

// forge writes a version that the trigger would not, as only somebody can who puts the triggers to sleep.
func (w *world) forge(order string, revision int64, eventType string, before, after any) {
	w.t.Helper()
	w.exec("SET session_replication_role = replica")
	w.exec("INSERT INTO order_fulfillment_history (order_id, revision, event_type, old, new, at) VALUES ($1, $2, $3, $4, $5, now())",
		order, revision, eventType, before, after)
	w.exec("SET session_replication_role = origin")
}

func (w *world) foreignEvent(stream string) {
	w.t.Helper()
	_, err := w.events.Append(w.t.Context(), stream, kurrent.Any(), kurrent.NewEvent{ID: uuid.New(), Type: "foreign", Data: []byte("{}")})
	require.NoError(w.t, err)
}

// reason is what an order is set aside for.
func (w *world) reason(order string) string {
	w.t.Helper()
	entry, err := w.store().FindSetAside(w.t.Context(), order)
	if err != nil {
		return err.Error()
	}
	return entry.Code
}

func TestAVersionThatCanNeverBeAppendedIsSetAsideAndStopsNobodyElse(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(w *world)
		code string
	}{
		"an event type that is none": {func(w *world) { w.forge("order-x", 0, "order-lost", nil, goodImage) }, codeInvalid},
		"an image that is no object": {func(w *world) { w.forge("order-x", 0, "order-approved", nil, `"text"`) }, codeInvalid},
		"a number for a text": {func(w *world) {
			w.forge("order-x", 0, "order-approved", nil, strings.Replace(goodImage, `"customer-7"`, "7", 1))
		}, codeInvalid},
		"an unknown currency": {func(w *world) {
			w.forge("order-x", 0, "order-approved", nil, strings.Replace(goodImage, "USD", "XQZ", 1))
		}, codeInvalid},
		"a total of nothing": {func(w *world) {
			w.forge("order-x", 0, "order-approved", nil, strings.Replace(goodImage, `"total_minor": 1`, `"total_minor": 0`, 1))
		}, codeInvalid},
		"the image of another order": {func(w *world) {
			w.forge("order-x", 0, "order-approved", nil, strings.Replace(goodImage, "order-x", "order-y", 1))
		}, codeInvalid},
		"a revision below zero":                {func(w *world) { w.forge("order-x", -1, "order-approved", goodImage, goodImage) }, codeInvalid},
		"a later version without an old image": {func(w *world) { w.forge("order-x", 1, "order-shipped", nil, goodImage) }, codeInvalid},
		"16 MiB": {func(w *world) {
			w.approve("order-x")
			w.change("order-x", strings.Repeat("x", 16<<20))
		}, codeTooBig},
		"an earlier version missing": {func(w *world) { w.forge("order-x", 3, "fulfillment-changed", goodImage, goodImage) }, codeGap},
		"a stream that holds something else": {func(w *world) {
			w.foreignEvent("fulfillment-order-x")
			w.approve("order-x")
		}, codeOther},
		"a stream that is ahead": {func(w *world) {
			w.approve("order-x")
			w.awaitTypes("order-x", "order-approved")
			w.foreignEvent("fulfillment-order-x")
			w.foreignEvent("fulfillment-order-x")
			w.ship("order-x")
		}, codeOther},
		"a stream that is deleted for good": {func(w *world) {
			w.approve("order-x")
			w.awaitTypes("order-x", "order-approved")
			w.tombstone("fulfillment-order-x")
			w.ship("order-x")
		}, codeDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			p := w.publish()
			p.awaitPhase(phaseStream)
			c.do(w)
			w.approve("order-fine")
			w.awaitTypes("order-fine", "order-approved")
			w.awaitReason("order-x", c.code)
			w.awaitConfirmed()
			p.stop()
			w.publish().awaitPhase(phaseStream)
			require.Equal(t, c.code, w.reason("order-x"), "it stays there")
		})
	}
}

func TestAnOrderNameThatIsNoneIsSetAsideToo(t *testing.T) {
	w := newWorld(t)
	w.publish()
	for _, id := range []string{"", " ", "order-", "$all", "order-a/b", "order-ä", "order-x\r\ny", "ORDER-1", strings.Repeat("x", 2000)} {
		w.forge(id, 0, "order-approved", nil, goodImage)
		w.awaitReason(id, codeInvalid)
	}
	require.Empty(t, w.published(t))
}

func TestLaterVersionsWaitBehindTheOneThatIsSetAsideUntilItIsTriedAgain(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.approve("order-x")
	w.awaitTypes("order-x", "order-approved")
	// The version before this one is hidden, so it meets a gap.
	w.exec("SET session_replication_role = replica")
	w.exec("UPDATE order_fulfillment SET revision = 1 WHERE order_id = 'order-x'")
	w.exec("SET session_replication_role = origin")
	w.change("order-x", "overnight")
	w.awaitReason("order-x", codeGap)
	w.change("order-x", "drone")
	w.awaitAtLeast(1, resultDeferred)
	p.stop()
	w.publish()
	w.ship("order-x")
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the one before it may come again first
		entry, err := w.store().FindSetAside(t.Context(), "order-x")
		require.NoError(c, err)
		require.EqualValues(c, 4, entry.Through)
	}, waitLong, waitTick)
	require.Equal(t, []string{"order-approved"}, w.types("order-x"))
	out, err := w.output("list", "-o", "json")
	require.NoError(t, err)
	var page setAsidePage
	require.NoError(t, json.Unmarshal([]byte(out), &page))
	require.Len(t, page.Orders, 1)
	entry := page.Orders[0]
	require.Equal(t, setAsideLine{
		OrderID: "order-x", Revision: 2, Through: 4, Since: entry.Since, Code: codeGap, Detail: entry.Detail,
	}, entry)
	require.ErrorContains(t, w.command(nil, "retry", "order-x"), codeGap, "nothing has changed")
	require.ErrorContains(t, w.command(nil, "retry", "--all"), "not every order could be published")

	w.forge("order-x", 1, "fulfillment-changed", goodImage, strings.Replace(goodImage, "customer-7", "customer-8", 1))
	out, err = w.output("retry", "order-x")
	require.NoError(t, err)
	require.Equal(t, "order-x: published up to revision 4\n", out)

	w.awaitTypes("order-x", "order-approved", "fulfillment-changed", "fulfillment-changed", "fulfillment-changed", "order-shipped")
	require.Equal(t, postgres.ErrNotFound.Error(), w.reason("order-x"))
	require.ErrorContains(t, w.command(nil, "retry", "order-x"), "order-x is not set aside")
}

func TestAnOrderThatWasTakenBackIsPublishedByTheRunningPublisherAgain(t *testing.T) {
	w := newWorld(t)
	w.publish().awaitPhase(phaseStream)
	w.approve("order-x")
	w.awaitTypes("order-x", "order-approved")
	require.NoError(t, w.store().SetAside(t.Context(), postgres.SetAside{OrderID: "order-x", Revision: 1, Code: "TEST"}))
	require.NoError(t, w.command(nil, "snapshot")) // the session that follows knows of it
	w.ship("order-x")
	w.awaitAtLeast(1, resultDeferred)
	require.Eventually(t, func() bool { return w.command(nil, "retry", "--all") == nil && w.reason("order-x") != "TEST" }, waitLong, waitTick)
	w.awaitTypes("order-x", "order-approved", "order-shipped")
	w.approve("order-y")
	w.awaitAll()
}

// An event store that was restored from a backup lacks the newest events; what the history still has fills them in.
func TestAnEventStoreThatLacksEarlierVersionsIsFilledFromTheHistory(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.approve("order-1")
	w.change("order-1", "overnight")
	w.awaitTypes("order-1", "order-approved", "fulfillment-changed")
	w.awaitConfirmed()
	p.stop()
	w.useEmptyEventStore()
	w.publish().awaitPhase(phaseStream)
	w.ship("order-1")
	w.awaitTypes("order-1", "order-approved", "fulfillment-changed", "order-shipped")
	require.Zero(t, w.count(resultSetAside))
}

// The history is read again, and its first versions are no longer in a stream that keeps only so many. A server that was
// scavenged has forgotten their ids, too: in their place are events whose ids it cannot compare.
func TestVersionsThatWereTruncatedSinceArePublished(t *testing.T) {
	w := newWorld(t)
	p := w.publish()
	p.awaitPhase(phaseStream)
	w.approve("order-1")
	w.change("order-1", "overnight")
	w.change("order-1", "drone")
	w.awaitTypes("order-1", "order-approved", "fulfillment-changed", "fulfillment-changed")
	w.awaitConfirmed()
	p.stop()
	const stream = "fulfillment-order-1"
	last, err := w.events.LastEvent(t.Context(), stream)
	require.NoError(t, err)
	w.useEmptyEventStore()
	w.foreignEvent(stream)
	w.foreignEvent(stream)
	_, err = w.events.Append(t.Context(), stream, kurrent.At(1), kurrent.NewEvent{ID: last.ID, Type: last.Type, Data: last.Data})
	require.NoError(t, err)
	w.keep(stream, 1)
	require.Equal(t, []string{"fulfillment-changed"}, w.types("order-1"))
	require.NoError(t, w.command(nil, "snapshot"))
	before := w.count(resultPublished)

	w.publish()

	require.Eventually(t, func() bool { return w.count(resultPublished)+w.count(resultSetAside) > before }, waitLong, waitTick)
	w.ship("order-1")
	w.awaitTypes("order-1", "order-shipped")
	w.awaitAtLeast(before+4, resultPublished)
	require.Equal(t, postgres.ErrNotFound.Error(), w.reason("order-1"))
}
