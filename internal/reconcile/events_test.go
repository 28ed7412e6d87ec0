package reconcile

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
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

// An order waits for its parcels for weeks, so it may have refused an event, or accepted one
// in an earlier run.
func TestReconcile_SettledMessages(t *testing.T) {
	t.Parallel()
	refused, continued, hidden := startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID()
	decided := startertest.NewOrderID()
	h := newReconcileRig(t, kurrentsim.Options{HiddenLinks: []store.Target{{Stream: hidden, Revision: 1}}}, time.Hour)
	h.Run()
	for _, id := range []string{refused, continued, hidden} {
		h.place(id)
		h.awaitEmails(id, email.KindConfirmation)
	}
	tooMuch := func() kurrent.NewEvent {
		return startertest.NewEvent(order.TypeShipmentRecorded, map[string]any{
			"carrier": "DHL", "trackingNumber": "T1", "lines": []map[string]any{{"line": 1, "quantity": 3}},
		})
	}
	h.Append(refused, tooMuch())
	require.Contains(t, h.AwaitParked(1)[0], "REJECTED: lines[0].quantity")
	h.Append(order.CreditDecisionStream(decided), startertest.NewEvent(order.TypeCreditDeclined, map[string]any{"by": "desk"}))
	h.awaitParkedDecision()
	h.Append(decided, orderFor(decided, "customer-of-"+decided, "USD6000.00"))
	h.awaitStatus(decided, order.StatusOnHold)

	h.Append(continued, startertest.NewEvent(order.TypeShipmentRecorded, map[string]any{
		"carrier": "DHL", "trackingNumber": "T1", "lines": []map[string]any{{"line": 1, "quantity": 1}},
	}))
	h.awaitEmails(continued, email.KindConfirmation, email.KindShipment)
	h.continueAsNew(continued)
	found := h.reconcile()
	require.Zero(t, found.Undelivered, "%+v", found.Differences)

	h.Append(hidden, tooMuch())
	require.Equal(t, 1, h.reconcile().Left)
	found = h.reconcile(fixing)
	require.Equal(t, []int{1, 0}, []int{found.Undelivered, found.Left}, "%+v", found.Differences)
	require.Contains(t, found.of(t, hidden).Detail, "REJECTED: lines[0].quantity")
	require.Equal(t, order.StatusFulfilling, h.row(hidden))
}

// awaitParkedDecision waits until a decision about credit is parked.
func (h *reconcileRig) awaitParkedDecision() {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		parked := 0
		require.NoError(t, h.Events.Parked(h.t.Context(), order.CreditDecisionLinks, startertest.Group, func(kurrent.Parked) error {
			parked++
			return nil
		}))
		require.Equal(t, 1, parked)
	}, longEnough, 20*time.Millisecond)
}

// continueAsNew fills the history of an order's run until the order continues in another.
func (h *reconcileRig) continueAsNew(id string) {
	h.t.Helper()
	runID := func(t require.TestingT) string {
		description, err := h.temporal.DescribeWorkflow(h.t.Context(), id, "")
		require.NoError(t, err)
		return description.WorkflowExecution.RunID
	}
	first := runID(h.t)
	noise := make([]byte, 1<<20)
	for range 5 {
		require.NoError(h.t, h.temporal.SignalWorkflow(h.t.Context(), id, "", "noise", noise)) // the next run may have begun
	}
	require.EventuallyWithT(h.t, func(t *assert.CollectT) { require.NotEqual(t, first, runID(t)) }, longEnough, 20*time.Millisecond)
	h.awaitStatus(id, order.StatusFulfilling)
}
