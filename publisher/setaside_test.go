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
	"orderflow/internal/publish"
)

const goodImage = `{"order_id": "order-x", "customer_id": "customer-7", "status": "fulfilling", "reason": null, "total_minor": 1,
	"currency": "USD", "carrier": null, "tracking_number": null, "source_event_id": "source-1"}`

// insertVersion writes a version that the trigger would never write, by disabling the
// triggers.
func (rig *publisherRig) insertVersion(order string, revision int64, eventType string, before, after any) {
	rig.t.Helper()
	rig.exec("SET session_replication_role = replica")
	rig.exec("INSERT INTO order_fulfillment_history (order_id, revision, event_type, old, new, at) VALUES ($1, $2, $3, $4, $5, now())",
		order, revision, eventType, before, after)
	rig.exec("SET session_replication_role = origin")
}

func (rig *publisherRig) foreignEvent(stream string) {
	rig.t.Helper()
	_, err := rig.events.Append(rig.t.Context(), stream, kurrent.Any(), kurrent.NewEvent{ID: uuid.New(), Type: "foreign", Data: []byte("{}")})
	require.NoError(rig.t, err)
}

// reason returns the code that an order is set aside with, or the error's text if it is
// not set aside.
func (rig *publisherRig) reason(order string) string {
	rig.t.Helper()
	entry, err := rig.state().FindSetAside(rig.t.Context(), order)
	if err != nil {
		return err.Error()
	}
	return entry.Code
}

func TestSetAside_VersionThatCannotBeAppended(t *testing.T) {
	for name, c := range map[string]struct {
		do   func(rig *publisherRig)
		code string
	}{
		"an unknown event type":          {func(rig *publisherRig) { rig.insertVersion("order-x", 0, "order-lost", nil, goodImage) }, publish.CodeInvalid},
		"an image that is not an object": {func(rig *publisherRig) { rig.insertVersion("order-x", 0, "order-approved", nil, `"text"`) }, publish.CodeInvalid},
		"a number in place of a string": {func(rig *publisherRig) {
			rig.insertVersion("order-x", 0, "order-approved", nil, strings.Replace(goodImage, `"customer-7"`, "7", 1))
		}, publish.CodeInvalid},
		"an unknown currency": {func(rig *publisherRig) {
			rig.insertVersion("order-x", 0, "order-approved", nil, strings.Replace(goodImage, "USD", "XQZ", 1))
		}, publish.CodeInvalid},
		"a total of zero": {func(rig *publisherRig) {
			rig.insertVersion("order-x", 0, "order-approved", nil, strings.Replace(goodImage, `"total_minor": 1`, `"total_minor": 0`, 1))
		}, publish.CodeInvalid},
		"the image of another order": {func(rig *publisherRig) {
			rig.insertVersion("order-x", 0, "order-approved", nil, strings.Replace(goodImage, "order-x", "order-y", 1))
		}, publish.CodeInvalid},
		"a revision below zero":                {func(rig *publisherRig) { rig.insertVersion("order-x", -1, "order-approved", goodImage, goodImage) }, publish.CodeInvalid},
		"a later version without an old image": {func(rig *publisherRig) { rig.insertVersion("order-x", 1, "order-shipped", nil, goodImage) }, publish.CodeInvalid},
		"16 MiB": {func(rig *publisherRig) {
			rig.approve("order-x")
			rig.change("order-x", strings.Repeat("x", 16<<20))
		}, publish.CodeTooBig},
		"an earlier version missing": {func(rig *publisherRig) { rig.insertVersion("order-x", 3, "fulfillment-changed", goodImage, goodImage) }, publish.CodeGap},
		"a stream that holds something else": {func(rig *publisherRig) {
			rig.foreignEvent("fulfillment-order-x")
			rig.approve("order-x")
		}, publish.CodeOther},
		"a stream that is ahead": {func(rig *publisherRig) {
			rig.approve("order-x")
			rig.awaitTypes("order-x", "order-approved")
			rig.foreignEvent("fulfillment-order-x")
			rig.foreignEvent("fulfillment-order-x")
			rig.ship("order-x")
		}, publish.CodeOther},
		"a tombstoned stream": {func(rig *publisherRig) {
			rig.approve("order-x")
			rig.awaitTypes("order-x", "order-approved")
			rig.tombstone("fulfillment-order-x")
			rig.ship("order-x")
		}, publish.CodeDeleted},
	} {
		t.Run(name, func(t *testing.T) {
			rig := newPublisherRig(t)
			p := rig.publish()
			p.awaitPhase(phaseStream)
			c.do(rig)
			rig.approve("order-fine")
			rig.awaitTypes("order-fine", "order-approved")
			rig.awaitReason("order-x", c.code)
			rig.awaitConfirmed()
			p.stop()
			rig.publish().awaitPhase(phaseStream)
			require.Equal(t, c.code, rig.reason("order-x"), "it stays set aside")
		})
	}
}

func TestSetAside_InvalidOrderID(t *testing.T) {
	rig := newPublisherRig(t)
	rig.publish()
	for _, id := range []string{"", " ", "order-", "$all", "order-a/b", "order-ä", "order-x\r\ny", "ORDER-1", strings.Repeat("x", 2000)} {
		rig.insertVersion(id, 0, "order-approved", nil, goodImage)
		rig.awaitReason(id, publish.CodeInvalid)
	}
	require.Empty(t, rig.published(t))
}

func TestSetAside_LaterVersionsDeferredUntilRetry(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.approve("order-x")
	rig.awaitTypes("order-x", "order-approved")
	// The version before this one is missing, so its append finds a gap.
	rig.exec("SET session_replication_role = replica")
	rig.exec("UPDATE order_fulfillment SET revision = 1 WHERE order_id = 'order-x'")
	rig.exec("SET session_replication_role = origin")
	rig.change("order-x", "overnight")
	rig.awaitReason("order-x", publish.CodeGap)
	rig.change("order-x", "drone")
	rig.awaitAtLeast(1, resultDeferred)
	p.stop()
	rig.publish()
	rig.ship("order-x")
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the previous version may be delivered again first
		entry, err := rig.state().FindSetAside(t.Context(), "order-x")
		require.NoError(c, err)
		require.EqualValues(c, 4, entry.Through)
	}, waitLong, waitTick)
	require.Equal(t, []string{"order-approved"}, rig.types("order-x"))
	out, err := rig.output("list", "-o", "json")
	require.NoError(t, err)
	var page struct {
		Orders []struct {
			OrderID           string
			Revision, Through int64
			Code              string
		}
	}
	require.NoError(t, json.Unmarshal([]byte(out), &page))
	require.Len(t, page.Orders, 1)
	entry := page.Orders[0]
	require.Equal(t, "order-x", entry.OrderID)
	require.Equal(t, []int64{2, 4}, []int64{entry.Revision, entry.Through})
	require.Equal(t, publish.CodeGap, entry.Code)
	require.ErrorContains(t, rig.command(nil, "retry", "order-x"), publish.CodeGap, "nothing has changed")
	require.ErrorContains(t, rig.command(nil, "retry", "--all"), "not every order could be published")

	rig.insertVersion("order-x", 1, "fulfillment-changed", goodImage, strings.Replace(goodImage, "customer-7", "customer-8", 1))
	out, err = rig.output("retry", "order-x")
	require.NoError(t, err)
	require.Equal(t, "order-x: published up to revision 4\n", out)

	rig.awaitTypes("order-x", "order-approved", "fulfillment-changed", "fulfillment-changed", "fulfillment-changed", "order-shipped")
	require.Equal(t, postgres.ErrNotFound.Error(), rig.reason("order-x"))
	require.ErrorContains(t, rig.command(nil, "retry", "order-x"), "order-x is not set aside")
}

func TestRetry_RunningPublisherResumesOrder(t *testing.T) {
	rig := newPublisherRig(t)
	rig.publish().awaitPhase(phaseStream)
	rig.approve("order-x")
	rig.awaitTypes("order-x", "order-approved")
	require.NoError(t, rig.state().SetAside(t.Context(), postgres.SetAside{OrderID: "order-x", Revision: 1, Code: "TEST"}))
	require.NoError(t, rig.command(nil, "snapshot")) // the next session loads it
	rig.ship("order-x")
	rig.awaitAtLeast(1, resultDeferred)
	require.Eventually(t, func() bool { return rig.command(nil, "retry", "--all") == nil && rig.reason("order-x") != "TEST" }, waitLong, waitTick)
	rig.awaitTypes("order-x", "order-approved", "order-shipped")
	rig.approve("order-y")
	rig.awaitAll()
}

// An event store that was restored from a backup lacks the newest events. They are
// appended again from the history.
func TestPublish_FillsGapsFromHistory(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.approve("order-1")
	rig.change("order-1", "overnight")
	rig.awaitTypes("order-1", "order-approved", "fulfillment-changed")
	rig.awaitConfirmed()
	p.stop()
	rig.useEmptyEventStore()
	rig.publish().awaitPhase(phaseStream)
	rig.ship("order-1")
	rig.awaitTypes("order-1", "order-approved", "fulfillment-changed", "order-shipped")
	require.Zero(t, rig.count(resultSetAside))
}

// The history is read again after its first versions were truncated from a stream with a
// max count. After a scavenge the server no longer knows their ids either. The foreign
// events here stand in for that: their ids cannot match.
func TestPublish_TruncatedVersionsCountAsPublished(t *testing.T) {
	rig := newPublisherRig(t)
	p := rig.publish()
	p.awaitPhase(phaseStream)
	rig.approve("order-1")
	rig.change("order-1", "overnight")
	rig.change("order-1", "drone")
	rig.awaitTypes("order-1", "order-approved", "fulfillment-changed", "fulfillment-changed")
	rig.awaitConfirmed()
	p.stop()
	const stream = "fulfillment-order-1"
	last, err := rig.events.LastEvent(t.Context(), stream)
	require.NoError(t, err)
	rig.useEmptyEventStore()
	rig.foreignEvent(stream)
	rig.foreignEvent(stream)
	_, err = rig.events.Append(t.Context(), stream, kurrent.At(1), kurrent.NewEvent{ID: last.ID, Type: last.Type, Data: last.Data})
	require.NoError(t, err)
	rig.setMaxCount(stream, 1)
	require.Equal(t, []string{"fulfillment-changed"}, rig.types("order-1"))
	require.NoError(t, rig.command(nil, "snapshot"))
	before := rig.count(resultPublished)

	rig.publish()

	require.Eventually(t, func() bool { return rig.count(resultPublished)+rig.count(resultSetAside) > before }, waitLong, waitTick)
	rig.ship("order-1")
	rig.awaitTypes("order-1", "order-shipped")
	rig.awaitAtLeast(before+4, resultPublished)
	require.Equal(t, postgres.ErrNotFound.Error(), rig.reason("order-1"))
}
