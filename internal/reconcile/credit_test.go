package reconcile

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// TestReconcile_LostCredit has orders whose account knows nothing of them, as after a
// restore of KurrentDB to a moment before they were decided.
func TestReconcile_LostCredit(t *testing.T) {
	t.Parallel()
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	shipped, canceled := h.closedWithoutCredit(order.StatusShipped), h.closedWithoutCredit(order.StatusCancelled)
	found := h.reconcile(fixing)
	require.Zero(t, found.Left, "only asked for: %+v", found.Differences)
	require.Empty(t, h.credit(shipped))

	found = h.reconcile(fixing, comparingCredit)
	require.Equal(t, 1, found.Unreserved, "%+v", found.Differences)
	require.Equal(t, 1, found.Held, "%+v", found.Differences)
	require.Equal(t, 2, found.Fixed, "%+v", found.Differences)
	require.Equal(t, credit.VerdictReserved, h.credit(shipped))
	require.Equal(t, credit.VerdictReleased, h.credit(canceled))
	require.Equal(t, order.StatusShipped, h.row(shipped))
	require.Zero(t, h.reconcile(comparingCredit).Left)
}

func comparingCredit(r *reconciliation) { r.compareCredit = true }

// closedWithoutCredit returns an order that is placed and has a closed row. Temporal has
// forgotten it, and its emails are done.
func (h *reconcileRig) closedWithoutCredit(status order.Status) string {
	h.t.Helper()
	id := startertest.NewOrderID()
	event := orderFor(id, "customer-of-"+id, "USD100.00")
	h.Append(id, event)
	placed, err := order.DecodePlaced(id, "application/json", event.Data)
	require.NoError(h.t, err)
	source := order.Source{Stream: id, EventID: event.ID.String()}
	_, err = h.rows.StartFulfillment(h.t.Context(), fulfillment.Start{Order: placed, Source: source})
	require.NoError(h.t, err)
	closing := fulfillment.Close{
		OrderID: id, CustomerID: placed.CustomerID, Total: placed.Total, PlacedAt: placed.PlacedAt, Source: source, Status: status, Began: true,
	}
	if status == order.StatusShipped {
		closing.Shipment = order.Shipment{Carrier: "DHL", TrackingNumber: "T1"}
	} else {
		closing.Reason = order.ReasonCancelled
	}
	_, err = h.rows.CloseFulfillment(h.t.Context(), closing)
	require.NoError(h.t, err)
	h.lose("DELETE FROM email_delivery WHERE order_id = '" + id + "'")
	return id
}
