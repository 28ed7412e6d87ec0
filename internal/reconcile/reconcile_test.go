package reconcile

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/startertest"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

func TestReconcile(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"an email in transit is followed to its end, though a later one is due":  anEmailLeftInTransit,
		"an order without a link is found and started":                           aHiddenLink,
		"an order whose workflow was deleted is started and continues":           aDeletedWorkflow,
		"an order of which a parcel has left is started again after termination": aTerminatedWorkflowWithAParcel,
		"an order past Temporal's retention is left unchanged":                   aForgottenWorkflow,
		"an order whose stream is deleted is left unchanged":                     anErasedOrder,
		"credit of an erased order whose workflow was terminated is released":    anErasedOrderThatHolds,
		"an order that was never placed is extra":                                anOrderNeverPlaced,
		"parked events are counted, and parked orders are missing":               parkedEventsCounted,
		"findings are printed though the parked events cannot be counted":        parkedEventsDenied,
		"an order whose id is taken is missing and cannot be repaired":           aTakenID,
		"an event that the server cannot read is unlinked until it is corrected": anUnlinkedEvent,
		"a young order is left to the bridge":                                    aYoungOrder,
		"an order placed before --since is skipped":                              sinceThen,
		"alongside a working bridge no false difference is found":                alongsideTheBridge,
		"a repaired order that is reset ends as cancelled":                       aResetOrder,
		"a terminated order that was reset meanwhile is not repaired":            aResetBeforeItsRepair,
		"an account that cannot be read is held, and left to an operator":        anUnreadableAccount,
		"a refused remedy does not affect the others":                            aRefusedRemedy,
		"an order whose workflow continued as new is counted once":               aContinuedOrder,
		"a repair without a worker is not waited for longer than --wait":         aRepairWithoutWorker,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
	for name, stage := range stages() {
		for late, name := range map[bool]string{false: name, true: name + ", and its last step comes after the repair"} {
			t.Run("an order terminated "+name, func(t *testing.T) {
				t.Parallel()
				terminatedAt(t, stage, late)
			})
		}
	}
}

func aHiddenLink(t *testing.T) {
	hidden := startertest.NewOrderID()
	h := newReconcileRig(t, kurrentsim.Options{HiddenLinks: []store.Target{{Stream: hidden, Revision: 0}}}, 0)
	h.Run()
	seen := h.place(startertest.NewOrderID())
	h.place(hidden)
	h.awaitStatus(seen, order.StatusFulfilling)

	found := h.reconcile()
	requireFindings(t, "checked 2  missing 1  extra 0  held 0  parked 0  fixed 0  left 1", found)
	require.Equal(t, hidden, found.Differences[0].OrderID)
	require.Equal(t, missing, found.Differences[0].Kind)
	require.Empty(t, h.status(hidden), "without --fix nothing is changed")

	requireFindings(t, "checked 2  missing 1  extra 0  held 0  parked 0  fixed 1  left 0", h.reconcile(fixing))
	h.awaitStatus(hidden, order.StatusFulfilling)
	require.Equal(t, h.memo(seen) != "", h.memo(hidden) != "", "it was started as the bridge would")
	requireFindings(t, "checked 2  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
	h.awaitEmails(hidden, email.KindConfirmation)
	require.Equal(t, credit.VerdictReserved, h.credit(hidden))
}

func aDeletedWorkflow(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.delete(id)

	found := h.reconcile(fixing)
	requireFindings(t, "checked 1  missing 1  extra 0  held 0  parked 0  fixed 1  left 0", found)
	require.Equal(t, "fulfilling", found.Differences[0].Row)
	h.awaitStatus(id, order.StatusFulfilling)
	h.ship(id)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
	h.awaitEmails(id, email.KindConfirmation, email.KindShipment)
}

// A parcel has left, so the repair must not cancel the order.
func aTerminatedWorkflowWithAParcel(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := startertest.NewOrderID()
	h.Append(id, orderOfTwo(id))
	h.awaitEmails(id, email.KindConfirmation)
	part := shipment
	part.Lines = []order.ParcelLine{{Line: 1, Quantity: 1}}
	h.update(id, workflows.RecordShipmentMessage, part)
	h.awaitEmails(id, email.KindConfirmation, email.KindShipment)
	h.terminate(id)

	found := h.reconcile(fixing)
	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", found)
	h.awaitStatus(id, order.StatusFulfilling)
	require.Equal(t, credit.VerdictReserved, h.credit(id))
	require.NotEmpty(t, h.memo(id), "it was started as the bridge would")
	h.update(id, workflows.RecordShipmentMessage, part)
	h.update(id, workflows.RecordShipmentMessage, workflows.RecordShipment{Carrier: "DHL", TrackingNumber: "rest"})
	h.awaitClosed(id)
	require.Equal(t, order.StatusShipped, h.row(id))
	h.awaitEmails(id, email.KindConfirmation, email.KindShipment, email.ParcelKind(2))
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
}

// orderOfTwo is an order of two pieces of its first line.
func orderOfTwo(id string) kurrent.NewEvent {
	event := orderFor(id, "customer-of-"+id, "USD100.00")
	var body map[string]any
	if err := json.Unmarshal(event.Data, &body); err != nil {
		panic(err)
	}
	body["lineItems"].([]any)[0].(map[string]any)["quantity"] = 2
	return startertest.NewEvent(order.TypePlaced, body)
}

func aForgottenWorkflow(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	shipped, cancelled, tooMuch := h.place(startertest.NewOrderID()), h.place(startertest.NewOrderID()), startertest.NewOrderID()
	h.Append(tooMuch, orderFor(tooMuch, "customer-of-"+tooMuch, "USD10001.00"))
	h.awaitStatus(shipped, order.StatusFulfilling)
	h.awaitStatus(cancelled, order.StatusFulfilling)
	h.ship(shipped)
	h.update(cancelled, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	h.awaitStatus(tooMuch, order.StatusRejected)
	for _, id := range []string{shipped, cancelled, tooMuch} {
		h.awaitClosed(id)
	}
	h.forget()
	requireFindings(t, "checked 3  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile(fixing))
	require.Equal(t, workflowNone, h.describe(shipped))
}

func anErasedOrder(t *testing.T) {
	before := startertest.NewOrderID() // erased before it was ever read
	h := newReconcileRig(t, kurrentsim.Options{HiddenLinks: []store.Target{{Stream: before, Revision: 0}}}, 0)
	h.Run()
	shipped, waiting := h.place(startertest.NewOrderID()), h.place(startertest.NewOrderID())
	h.place(before)
	h.awaitStatus(shipped, order.StatusFulfilling)
	h.awaitStatus(waiting, order.StatusFulfilling)
	h.ship(shipped)
	h.awaitClosed(shipped)
	for _, id := range []string{before, shipped, waiting} {
		h.erase(id)
	}
	found := h.reconcile(fixing)
	requireFindings(t, "checked 3  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", found)
	require.Equal(t, workflowNone, h.describe(before))

	h.forget() // no workflow handles the waiting order, and it cannot be started
	requireFindings(t, "checked 3  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", h.reconcile(fixing))
	require.Equal(t, order.StatusCancelled, h.row(waiting))
	require.Equal(t, credit.VerdictReserved, h.credit(shipped))
}

func anErasedOrderThatHolds(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitStatus(id, order.StatusFulfilling)
	h.terminate(id)
	h.erase(id)
	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", h.reconcile(fixing))
	require.Equal(t, order.StatusCancelled, h.row(id))
	require.Equal(t, credit.VerdictReleased, h.credit(id))

	// The same for an order whose events are gone from the log too: only its row is left.
	found := h.reconcile(fixing, func(r *reconciliation) { r.since = time.Now() })
	requireFindings(t, "checked 0  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", found)
}

func anOrderNeverPlaced(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	started, written, reserved, all := startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID(), startertest.NewOrderID()
	for _, id := range []string{started, all} {
		h.startByHand(id, workflows.OrderFulfillmentType)
	}
	for _, id := range []string{written, all} {
		h.writeRow(id)
	}
	for _, id := range []string{reserved, all} {
		h.reserve(id)
	}
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the list of workflows is eventually consistent
		require.Len(c, h.reconcileFor(c, fixing).Differences, 4)
	}, longEnough, 100*time.Millisecond)
	requireFindings(t, "checked 0  missing 0  extra 4  held 0  parked 0  fixed 0  left 4", h.reconcile(fixing))
}

func parkedEventsCounted(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	broken, doubled := startertest.NewOrderID(), startertest.NewOrderID()
	h.Append(broken, startertest.NewEvent(order.TypePlaced, map[string]any{"orderId": broken}))
	h.place(doubled)
	h.Append(doubled, orderFor(doubled, "customer-of-"+doubled, "USD50.00"), startertest.NewEvent(order.TypePaid, map[string]any{}))
	h.AwaitCounts(map[bridge.Result]int{bridge.Started: 1})
	h.AwaitParked(3)
	h.awaitStatus(doubled, order.StatusFulfilling)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 2  fixed 0  left 0", h.reconcile(fixing))
}

// deniedParked is a parked stream that a replay has restricted to $admins.
type deniedParked struct{}

func (deniedParked) Parked(context.Context, string, string, func(kurrent.Parked) error) error {
	return fmt.Errorf("read the parked stream: %w", kurrent.ErrAccessDenied)
}

func parkedEventsDenied(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.place(startertest.NewOrderID())
	found := h.reconcile(func(r *reconciliation) { r.parked = deniedParked{} })
	require.Equal(t, []int{1, 1, 1}, []int{found.Checked, found.Missing, found.Left})
	var text bytes.Buffer
	require.NoError(t, found.Print(&text))
	require.Contains(t, text.String(), "checked 1  missing 1  extra 0  held 0  parked ?  fixed 0  left 1\n")
	require.Contains(t, text.String(), "the parked events could not be counted: the user of KURRENTDB_URL may not read them")
}

func aTakenID(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	id := startertest.NewOrderID()
	h.startByHand(id, "SomethingElse")
	h.Run()
	h.place(id)
	h.AwaitParked(1)

	found := h.reconcile(fixing)
	requireFindings(t, "checked 1  missing 1  extra 0  held 0  parked 0  fixed 0  left 1", found)
	require.Contains(t, found.Differences[0].Detail, "taken by a workflow of type SomethingElse")
	require.Contains(t, found.Differences[0].Detail, "FOREIGN_WORKFLOW")

	h.delete(id)
	requireFindings(t, "checked 1  missing 1  extra 0  held 0  parked 0  fixed 1  left 0", h.reconcile(fixing))
	h.awaitStatus(id, order.StatusFulfilling)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 1  fixed 0  left 0", h.reconcile())
}

func aYoungOrder(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.place(startertest.NewOrderID())
	found := h.reconcile(fixing, func(r *reconciliation) { r.cutoff = time.Now().Add(-time.Minute) })
	requireFindings(t, "checked 0  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", found)
	require.Equal(t, 1, found.Young)
}

func sinceThen(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	for range 300 { // more than one page of a backwards read
		h.place(startertest.NewOrderID())
	}
	begin := time.Now()
	h.place(startertest.NewOrderID())
	found := h.reconcile(func(r *reconciliation) { r.since = begin })
	requireFindings(t, "checked 1  missing 1  extra 0  held 0  parked 0  fixed 0  left 1", found)
	found = h.reconcile()
	requireFindings(t, "checked 301  missing 301  extra 0  held 0  parked 0  fixed 0  left 301", found)
	require.Len(t, found.Differences, defaultListed)
	require.Equal(t, 201, found.More)
}

func aResetOrder(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	first, waiting := h.place(startertest.NewOrderID()), h.place(startertest.NewOrderID())
	for _, id := range []string{first, waiting} {
		h.awaitEmails(id, email.KindConfirmation)
		// In its first workflow task the order was begun, in its last one the email was noted.
		h.awaitState(id, func(s order.State) bool { return s.Email == string(email.StatusSent) })
		h.terminate(id)
	}
	requireFindings(t, "checked 2  missing 0  extra 0  held 2  parked 0  fixed 2  left 0", h.reconcile(fixing))

	h.reset(first, firstTask)
	h.awaitStatus(first, order.StatusCancelled)
	h.awaitClosed(first)
	h.awaitEmails(first, email.KindConfirmation, email.KindCancellation) // no customer is notified twice
	require.Equal(t, credit.VerdictReleased, h.credit(first))

	// Reset to the point at which it waited for its shipment, it would wait forever.
	h.reset(waiting, lastTask)
	h.awaitStatus(waiting, order.StatusFulfilling)
	require.EventuallyWithT(t, func(c *assert.CollectT) { // the list of workflows is eventually consistent
		require.Equal(c, 1, h.reconcileFor(c).Held)
	}, longEnough, 100*time.Millisecond)
	found := h.reconcile(fixing)
	requireFindings(t, "checked 2  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", found)
	require.Contains(t, found.Differences[0].Detail, "though its row is final")
	h.awaitClosed(waiting)
	require.Equal(t, order.StatusCancelled, h.status(waiting))
	h.awaitEmails(waiting, email.KindConfirmation, email.KindCancellation)
	requireFindings(t, "checked 2  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
}

func aResetBeforeItsRepair(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.terminate(id)
	h.reset(id, lastTask)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile(fixing))

	// A repair that was started too late finds the order open.
	in := workflows.RepairInput{Input: h.input(id), Code: "TERMINATED"}
	repair, err := h.temporal.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: workflows.RepairID(id), TaskQueue: workflows.TaskQueue,
	}, workflows.OrderRepairType, in)
	require.NoError(t, err)
	require.ErrorContains(t, repair.Get(t.Context(), nil), workflows.TypeOrderOpen)
	require.Equal(t, order.StatusFulfilling, h.row(id))
	require.Equal(t, credit.VerdictReserved, h.credit(id))
	h.ship(id)
}

func anUnreadableAccount(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitStatus(id, order.StatusFulfilling)
	h.update(id, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	h.awaitClosed(id)
	h.Append("credit-customer-of-"+id, startertest.NewEvent("credit-turned-to-gold", map[string]any{}))
	found := h.reconcile(fixing)
	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 0  left 1", found)
	require.Equal(t, string(creditUnknown), found.Differences[0].Credit)
	require.Equal(t, workflowNone, h.describe(workflows.RepairID(id)))
}

func aRepairWithoutWorker(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitStatus(id, order.StatusFulfilling)
	h.terminate(id)
	h.stopWork()
	began := time.Now()
	found := h.reconcile(fixing, func(r *reconciliation) { r.wait = time.Second })
	require.Less(t, time.Since(began), longEnough, "which other tests use for --wait")
	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 0  left 1", found)
	found = h.reconcile(fixing, func(r *reconciliation) { r.wait = 0 })
	require.Contains(t, found.Differences[0].Detail, "its repair is under way")
}

// aContinuedOrder appears in the server's list of workflows once for each of its runs.
func aContinuedOrder(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.awaitStatus(id, order.StatusFulfilling)
	h.lose("UPDATE order_fulfillment SET status = 'cancelled', reason = 'CANCELLED', code = 'TEST' WHERE order_id = '" + id + "'")
	listed := &workflowservice.ListWorkflowExecutionsResponse{}
	for _, status := range []enums.WorkflowExecutionStatus{
		enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW, enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW,
	} {
		listed.Executions = append(listed.Executions, &workflow.WorkflowExecutionInfo{Execution: executionOf(id, ""), Status: status})
	}
	r := newReconciliation(Options{Temporal: h.temporal, Events: h.Events, Rows: h.rows, Logger: slog.New(slog.DiscardHandler)})
	r.known.add(id)
	require.EventuallyWithT(t, func(t *assert.CollectT) { // it may still be running its last task
		r.report = newFindings(0)
		require.NoError(t, r.checkListed(h.t.Context(), listed))
		require.Positive(t, r.report.Held)
	}, longEnough, 50*time.Millisecond)
	require.Equal(t, 1, r.report.Held)
	require.Len(t, r.report.Differences, 1)
}
