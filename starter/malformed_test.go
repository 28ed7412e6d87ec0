package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/internal/kurrent"
)

// appendLink appends a link to $ce-order by hand, as a custom projection may.
func (b *bridgeRig) appendLink(target string) {
	b.t.Helper()
	link := newEvent("$>", 0)
	link.Data, link.Binary = []byte(target), true
	_, err := b.events.Append(b.t.Context(), "$ce-order", kurrent.Any(), link)
	require.NoError(b.t, err)
}

func TestBridge_MalformedLinks(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	elsewhere, id := newOrderID(), newOrderID()
	b.append("cart-1", placedEvent(elsewhere)) // an order, but not on its own stream
	for _, target := range []string{
		"", "@", "0@", "@" + id, "x@" + id, "-1@" + id, "99999999999999999999@" + id, "0@order-never", "9@cart-1", "0@cart-1",
	} {
		b.appendLink(target)
	}
	b.append(id, placedEvent(id))
	b.appendLink("0@" + id) // the same event twice
	b.appendLink("0@" + id)
	b.run()
	// "-1@" is the last event of its stream.
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 1, bridge.Duplicate: 3, bridge.Parked: 1, bridge.Ignored: 8})
	require.Contains(t, b.awaitParked(1)[0], "orderId: ")
	_, err := b.temporal.DescribeWorkflow(t.Context(), elsewhere, "")
	require.Error(t, err)
}

func TestHandlePlaced_UnreadableMetadata(t *testing.T) {
	t.Parallel()
	b := newBridgeRig(t)
	for _, metadata := range []string{`"text"`, `[1]`, `null`, `{`, "\xff", `{"$correlationId":7}`, `{"$correlationId":"` + strings.Repeat("x", 4096) + `"}`} {
		id := newOrderID()
		event := placedEvent(id)
		event.Metadata = []byte(metadata)
		b.append(id, event)
	}
	b.run()
	b.awaitCounts(map[bridge.Result]int{bridge.Started: 7, bridge.Parked: 0})
}

func TestBridge_DeletedStream(t *testing.T) {
	t.Parallel()
	tr := newOutageRig(t)
	gone, tombstoned := newOrderID(), newOrderID()
	tr.append(gone, placedBy(tr.customer, gone))
	tr.append(tombstoned, placedBy(tr.customer, tombstoned))
	tr.deleteStreams(gone, tombstoned)
	tr.place()
	tr.run()
	tr.requireAllDone()
	require.Zero(t, tr.count(bridge.Parked))
	for _, id := range []string{gone, tombstoned} {
		_, err := tr.temporal.DescribeWorkflow(t.Context(), id, "")
		require.Error(t, err)
	}
}
