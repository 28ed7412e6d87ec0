package reconcile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// TestReconcile_Deliveries has a projection that leaves out the second event of each
// order, as a group that loses events does.
func TestReconcile_Deliveries(t *testing.T) {
	t.Parallel()
	canceled, paid, shipped, late, both, ahead := startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID()
	part := startertest.NewOrderID()
	var hidden []store.Target
	for _, id := range []string{canceled, paid, shipped, both, part} {
		hidden = append(hidden, store.Target{Stream: id, Revision: 1})
	}
	hidden = append(hidden, store.Target{Stream: both, Revision: 0}, store.Target{Stream: ahead, Revision: 0})
	h := newReconcileRig(t, kurrentsim.Options{HiddenLinks: hidden}, 0)
	h.Run()
	cancellation := func() kurrent.NewEvent {
		return startertest.NewEvent(order.TypeCancellationRequested, map[string]any{"reason": "customer-request"})
	}
	payment := func() kurrent.NewEvent {
		return startertest.NewEvent(order.TypePaid, map[string]any{"amount": h.input(shipped).Total.String()})
	}
	for _, id := range []string{canceled, paid, shipped, late, part} {
		h.place(id)
		h.awaitEmails(id, email.KindConfirmation)
	}
	h.Append(canceled, cancellation())
	h.Append(paid, payment())
	h.Append(part, startertest.NewEvent(order.TypePaid, map[string]any{"amount": "USD0.01"})) // it settles nothing alone, and counts with another one
	h.ship(shipped)
	h.awaitClosed(shipped)
	h.Append(shipped, cancellation()) // it can no longer have an effect
	h.ship(late)
	h.Append(late, payment()) // the bridge gets this one
	h.awaitClosed(workflows.SettlementID(late, 1))
	h.place(both, cancellation())
	h.Append(ahead, cancellation()) // like one that was parked, and dropped before the order was placed
	h.place(ahead)
	h.awaitStatus(ahead, order.StatusFulfilling)

	found := h.reconcile()
	require.Equal(t, []int{1, 2, 3}, []int{found.Missing, found.Undelivered, found.Left}, "%+v", found.Differences)
	require.Equal(t, order.StatusFulfilling, h.row(canceled), "without --fix nothing is changed")
	found = h.reconcile(fixing)
	require.Zero(t, found.Left, "%+v", found.Differences)
	for _, id := range []string{canceled, both} {
		h.awaitStatus(id, order.StatusCancelled)
		h.awaitClosed(id)
	}
	h.awaitClosed(workflows.SettlementID(paid, 1))
	require.Equal(t, credit.VerdictReleased, h.credit(paid))
	found = h.reconcile(fixing)
	require.Zero(t, found.Left+found.Fixed, "%+v", found.Differences)
	require.Equal(t, order.StatusShipped, h.row(shipped))
	require.Equal(t, order.StatusFulfilling, h.row(ahead))
}

// TestReconcile_Messages has a projection that leaves out the events with messages.
func TestReconcile_Messages(t *testing.T) {
	t.Parallel()
	shipped, approved, declined := startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID()
	h := newReconcileRig(t, kurrentsim.Options{HiddenLinks: []store.Target{
		{Stream: shipped, Revision: 1},
		{Stream: order.CreditDecisionStream(approved), Revision: 0}, {Stream: order.CreditDecisionStream(declined), Revision: 0},
	}}, time.Hour)
	h.Run()
	h.place(shipped)
	h.awaitEmails(shipped, email.KindConfirmation)
	for _, id := range []string{approved, declined} {
		h.Append(id, orderFor(id, "customer-of-"+id, "USD6000.00"))
		h.awaitStatus(id, order.StatusOnHold)
	}
	require.Zero(t, h.reconcile().Undelivered)
	h.Append(shipped, startertest.NewEvent(order.TypeShipmentRecorded, shipment))
	by := map[string]any{"by": "desk"}
	h.Append(order.CreditDecisionStream(approved), startertest.NewEvent(order.TypeCreditApproved, by))
	h.Append(order.CreditDecisionStream(declined), startertest.NewEvent(order.TypeCreditDeclined, by), startertest.NewEvent(order.TypeCreditDeclined, map[string]any{}))

	found := h.reconcile()
	require.Equal(t, []int{3, 3}, []int{found.Undelivered, found.Left}, "%+v", found.Differences)
	require.Equal(t, order.StatusFulfilling, h.row(shipped), "without --fix nothing is changed")
	found = h.reconcile(fixing)
	require.Zero(t, found.Left, "%+v", found.Differences)
	h.awaitStatus(shipped, order.StatusShipped)
	h.awaitStatus(approved, order.StatusFulfilling)
	h.awaitStatus(declined, order.StatusRejected)
	found = h.reconcile(fixing)
	require.Zero(t, found.Left+found.Fixed, "%+v", found.Differences)
}
