package reconcile

import (
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/bridge"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/config"
	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/routes"
	"orderflow/internal/streams"
	"orderflow/workflows"
)

// lose removes commits as a failover to a lagging standby does, bypassing the triggers.
func (h *reconcileRig) lose(statements ...string) {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.address)
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, conn.Close(h.t.Context())) }()
	for _, statement := range append([]string{"SET session_replication_role = replica"}, statements...) {
		_, err := conn.Exec(h.t.Context(), statement)
		require.NoError(h.t, err, statement)
	}
}

// loseRow removes everything PostgreSQL knows about an order.
func (h *reconcileRig) loseRow(id string) {
	h.t.Helper()
	of := " WHERE order_id = '" + id + "'"
	h.lose("DELETE FROM email_delivery"+of, "DELETE FROM order_fulfillment_line"+of,
		"DELETE FROM order_fulfillment_history"+of, "DELETE FROM order_fulfillment"+of)
}

// loseEnd removes the last commits of an order: the end of its fulfillment and the email
// that came with it.
func (h *reconcileRig) loseEnd(id string) {
	h.t.Helper()
	of := " WHERE order_id = '" + id + "'"
	h.lose("DELETE FROM email_delivery"+of+" AND kind <> 'confirmation'", "DELETE FROM order_fulfillment_history"+of+" AND revision > 0",
		"UPDATE order_fulfillment SET status = 'fulfilling', reason = NULL, code = NULL, carrier = NULL, "+
			"tracking_number = NULL, revision = 0"+of)
}

// publish appends an order's history as the publisher does: at the revision of each
// version, with the id derived from its content. It fails if another event is at that
// revision.
func (h *reconcileRig) publish(id string) {
	h.t.Helper()
	versions, err := postgres.NewHistory(h.pool).OrderPage(h.t.Context(), id, 0, 10)
	require.NoError(h.t, err)
	require.NotEmpty(h.t, versions)
	for _, v := range versions {
		version := streams.FulfillmentVersion{
			OrderID: id, Revision: uint64(v.Revision), Type: v.EventType,
			Data: fulfillment.Event{OrderID: id, Revision: v.Revision, Old: v.Old, New: v.New},
		}
		event, err := version.Event()
		require.NoError(h.t, err)
		revision, err := h.Events.Append(h.t.Context(), version.Stream(), version.Expected(), event)
		require.NoError(h.t, err, "%s at %d", v.EventType, v.Revision)
		require.Equal(h.t, version.Revision, revision)
		found, err := h.Events.ReadEvent(h.t.Context(), version.Stream(), version.Revision)
		require.NoError(h.t, err)
		require.Equal(h.t, event.ID, found.ID)
	}
}

// find returns the whole row.
func (h *reconcileRig) find(id string) fulfillment.Row {
	h.t.Helper()
	row, err := h.rows.FindFulfillment(h.t.Context(), id)
	require.NoError(h.t, err)
	return row
}

// shippedOrder returns an order that has shipped, with its workflow completed and its
// history published.
func (h *reconcileRig) shippedOrder() string {
	h.t.Helper()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.ship(id)
	h.awaitEmails(id, email.KindConfirmation, email.KindShipment)
	h.awaitClosed(id)
	return id
}

func (h *reconcileRig) requireNothingLeft() {
	h.t.Helper()
	found := h.reconcile()
	require.Zero(h.t, found.Left, "%+v", found.Differences)
}

func TestReconcile_LostRows(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]func(*testing.T){
		"a shipped order whose row lost its last version is shipped":        func(t *testing.T) { aShippedOrder(t, (*reconcileRig).loseEnd) },
		"a shipped order whose row is gone is shipped":                      func(t *testing.T) { aShippedOrder(t, (*reconcileRig).loseRow) },
		"a canceled order whose row lost its last version is canceled":      func(t *testing.T) { aCanceledOrder(t, (*reconcileRig).loseEnd) },
		"a canceled order whose row is gone is canceled":                    func(t *testing.T) { aCanceledOrder(t, (*reconcileRig).loseRow) },
		"a rejected order whose row is gone is rejected":                    aRejectedOrder,
		"an order that ended differently from its row is reported and left": anotherEnd,
		"an order that was published as shipped is not started again":       aPublishedOrder,
		"a terminated order that was published as shipped is not canceled":  aPublishedTermination,
		"an open order whose row is gone has it restored, and ships":        anOpenOrder,
		"an order that loses its end while its email is sent is reported":   anEndDuringItsEmail,
		"an order whose row is gone ships without a reconciliation":         aShipmentWithoutRow,
		"an order whose row is gone is canceled over what was published":    aCancellationWithoutRow,
		"a deleted order whose row is gone is started, and continues":       aDeletedOrderWithoutRow,
		"an order whose result cannot be decoded is reported and left":      anUnreadableEnd,
		"an open workflow whose workflow task keeps failing is stuck":       aFailingTask,
		"emails of closed orders that were sent are not sent again":         aClosedOrdersEmails,
		"an email of an open order that was sent is not sent again":         anOpenOrdersEmail,
		"an email that was left to its own workflow is not sent again":      anEmailLeftToItsOwnWorkflow,
		"an email whose outcome was left to a workflow is not sent again":   anOutcomeLeftToItsOwnWorkflow,
		"an email that a repair has sent is not sent again":                 aRepairedOrdersEmail,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t)
		})
	}
}

func aShippedOrder(t *testing.T, lose func(*reconcileRig, string)) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.shippedOrder()
	h.publish(id)
	before := h.find(id)
	lose(h, id)

	found := h.reconcile()
	require.Equal(t, 1, found.Lost, "%+v", found.Differences)
	require.Contains(t, found.Differences[0].Detail, "its workflow ended as shipped")
	found = h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	after := h.find(id)
	require.Equal(t, order.StatusShipped, after.Status)
	require.Equal(t, []string{before.Carrier, before.TrackingNumber}, []string{after.Carrier, after.TrackingNumber})
	require.Equal(t, email.StatusSent, after.Email)
	require.Empty(t, after.EmailDue)
	require.Empty(t, after.AlsoDue)
	require.Equal(t, credit.VerdictReserved, h.credit(id))
	require.Equal(t, workflowNone, h.describe(workflows.RepairID(id)))
	h.publish(id)
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindConfirmation, email.KindShipment}, h.mailer.kinds(id))
}

// The workflow of an order that shipped is open until its email is sent.
func anEndDuringItsEmail(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	release := h.mailer.hold() // the order ends with the next attempt, for its email is lost
	h.ship(id)
	h.awaitAttempt()
	h.publish(id)
	h.loseEnd(id)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 0, 1}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Contains(t, found.Differences[0].Detail, "its open workflow has closed it as shipped")
	release()
	h.awaitClosed(id)
	found = h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, order.StatusShipped, h.find(id).Status)
	require.Equal(t, email.StatusUnknown, h.ledger(id)[email.KindShipment])
	h.requireNothingLeft()
}

func aCanceledOrder(t *testing.T, lose func(*reconcileRig, string)) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.update(id, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	h.awaitEmails(id, email.KindConfirmation, email.KindCancellation)
	h.awaitClosed(id)
	h.publish(id)
	before := h.find(id)
	lose(h, id)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	after := h.find(id)
	require.Equal(t, order.StatusCancelled, after.Status)
	require.Equal(t, []string{string(before.Reason), before.Code}, []string{string(after.Reason), after.Code})
	require.Equal(t, email.StatusSent, after.Email)
	h.publish(id)
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindConfirmation, email.KindCancellation}, h.mailer.kinds(id))
}

func aRejectedOrder(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := startertest.NewOrderID()
	h.Append(id, orderFor(id, "customer-of-"+id, "USD10001.00"))
	h.awaitEmails(id, email.KindRejection)
	h.awaitClosed(id)
	h.publish(id)
	before := h.find(id)
	h.loseRow(id)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	after := h.find(id)
	require.Equal(t, []string{"rejected", string(before.Reason)}, []string{string(after.Status), string(after.Reason)})
	h.publish(id)
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindRejection}, h.mailer.kinds(id))
}

func anotherEnd(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.shippedOrder()
	h.lose("UPDATE order_fulfillment SET status = 'cancelled', reason = 'CANCELLED', code = 'TERMINATED', carrier = NULL, " +
		"tracking_number = NULL WHERE order_id = '" + id + "'")
	_, err := h.accounts.Release(t.Context(), credit.Request{
		CustomerID: "customer-of-" + id, OrderID: id, Amount: h.input(id).Total,
	}, credit.Cause{Reason: "test"})
	require.NoError(t, err)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 0, 1}, []int{found.Conflict, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Contains(t, found.Differences[0].Detail, "its workflow ended as shipped")
	require.Equal(t, order.StatusCancelled, h.row(id))
}

func aPublishedOrder(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	gone, behind := h.shippedOrder(), h.shippedOrder()
	for _, id := range []string{gone, behind} {
		h.publish(id)
	}
	h.loseRow(gone)
	h.loseEnd(behind)
	h.forget()

	found := h.reconcile(fixing)
	require.Equal(t, []int{0, 2, 2, 0}, []int{found.Missing, found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Contains(t, found.Differences[0].Detail, "it was published as shipped")
	for _, id := range []string{gone, behind} {
		require.Equal(t, workflowNone, h.describe(id))
		require.Equal(t, shipment.TrackingNumber, h.find(id).TrackingNumber)
		require.Equal(t, credit.VerdictReserved, h.credit(id))
		h.publish(id)
	}
	h.requireNothingLeft()

	// A workflow that is started all the same, for example by the bridge, ends as it was
	// published.
	h.loseRow(gone)
	placed, err := h.orders.FindPlaced(t.Context(), gone)
	require.NoError(t, err)
	started, err := routes.New(h.temporal, client.Options{}, h.orders, config.Attributes{}).Apply(t.Context(), bridge.Event(placed))
	require.NoError(t, err)
	require.Equal(t, bridge.Started, started)
	h.awaitStatus(gone, order.StatusShipped) // it may wait for the email whose outcome is unknown
	require.Equal(t, shipment.TrackingNumber, h.find(gone).TrackingNumber)
}

func aPublishedTermination(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.gate.at = "after close"
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.signal(id, workflows.RecordShipmentMessage, shipment)
	<-h.gate.reached
	h.terminate(id)
	close(h.gate.opened)
	h.stopWork()
	h.startWork()
	h.publish(id)
	h.loseEnd(id)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Held, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, shipment.TrackingNumber, h.find(id).TrackingNumber)
	require.Equal(t, credit.VerdictReserved, h.credit(id))
	h.publish(id)
	h.requireNothingLeft()
}

func anOpenOrder(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.awaitState(id, func(s order.State) bool { return s.Email == string(email.StatusSent) })
	h.publish(id)
	h.loseRow(id)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, order.StatusFulfilling, h.row(id))
	h.publish(id)
	h.ship(id)
	h.awaitEmails(id, email.KindConfirmation, email.KindShipment)
	h.awaitClosed(id)
	h.publish(id)
	h.requireNothingLeft()
}

func (h *reconcileRig) awaitState(id string, is func(order.State) bool) {
	h.t.Helper()
	require.EventuallyWithT(h.t, func(t *assert.CollectT) {
		value, err := h.temporal.QueryWorkflow(h.t.Context(), id, "", workflows.StatusQuery)
		require.NoError(t, err)
		var state order.State
		require.NoError(t, value.Get(&state))
		require.True(t, is(state), "%+v", state)
	}, longEnough, waitTick)
}

func aShipmentWithoutRow(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.awaitState(id, func(s order.State) bool { return s.Email == string(email.StatusSent) })
	h.publish(id)
	h.loseRow(id)

	h.ship(id)
	h.awaitEmails(id, email.KindConfirmation, email.KindShipment)
	h.awaitClosed(id)
	require.Equal(t, shipment.TrackingNumber, h.find(id).TrackingNumber)
	h.publish(id)
	h.requireNothingLeft()
}

func aCancellationWithoutRow(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	published, unpublished := h.place(startertest.NewOrderID()), h.place(startertest.NewOrderID())
	for _, id := range []string{published, unpublished} {
		h.awaitEmails(id, email.KindConfirmation)
		h.awaitState(id, func(s order.State) bool { return s.Email == string(email.StatusSent) })
	}
	h.publish(published)
	for _, id := range []string{published, unpublished} {
		h.loseRow(id)
		h.update(id, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
		h.awaitEmails(id, email.KindConfirmation, email.KindCancellation)
		h.awaitClosed(id)
		require.EqualValues(t, 1, h.find(id).Revision)
		h.publish(id)
	}
	h.requireNothingLeft()
}

func aDeletedOrderWithoutRow(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.publish(id)
	h.delete(id)
	h.loseRow(id)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Missing, found.Fixed, found.Left}, "%+v", found.Differences)
	h.awaitStatus(id, order.StatusFulfilling)
	require.Equal(t, email.StatusUnknown, h.find(id).Email, "it may have been sent, without a record")
	h.ship(id)
	h.publish(id)
	h.requireNothingLeft()
}

func aFailingTask(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.awaitStatus(id, order.StatusFulfilling)
	h.stopWork()
	broken := worker.New(h.temporal, workflows.TaskQueue, untilStopped())
	broken.RegisterWorkflowWithOptions(func(workflow.Context, workflows.Input) error {
		panic(errors.New("a bug in a release"))
	}, workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	require.NoError(t, broken.Start())
	h.signal(id, workflows.RecordShipmentMessage, shipment)

	require.EventuallyWithT(t, func(c *assert.CollectT) {
		found := h.reconcileFor(c, fixing)
		require.Equal(c, []int{1, 0, 1}, []int{found.Stuck, found.Fixed, found.Left}, "%+v", found.Differences)
		require.Contains(c, found.Differences[0].Detail, "its workflow task failed")
	}, longEnough, 100*time.Millisecond)
	broken.Stop()
	h.startWork()
	h.awaitClosed(id)
	require.Equal(t, order.StatusShipped, h.row(id))
	h.requireNothingLeft()
}

func anUnreadableEnd(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	truncated := h.shippedOrder()
	h.publish(truncated)
	h.Append("$$"+fulfillment.Stream(truncated), startertest.NewEvent("$metadata", map[string]any{"$tb": 1}))
	h.loseRow(truncated)
	h.forget()
	h.stopWork()
	other := worker.New(h.temporal, workflows.TaskQueue, untilStopped())
	other.RegisterWorkflowWithOptions(func(workflow.Context, workflows.Input) (string, error) {
		return "not a state", nil
	}, workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	require.NoError(t, other.Start())
	defer other.Stop()
	strange := h.place(startertest.NewOrderID())
	placed, err := h.orders.FindPlaced(t.Context(), strange)
	require.NoError(t, err)
	_, err = routes.New(h.temporal, client.Options{}, h.orders, config.Attributes{}).Apply(t.Context(), bridge.Event(placed))
	require.NoError(t, err)
	h.awaitClosed(strange)

	found := h.reconcile(fixing)
	require.Equal(t, []int{2, 0, 2}, []int{found.Conflict, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Contains(t, found.of(t, truncated).Detail, streams.ErrVersions.Error())
	require.Contains(t, found.of(t, strange).Detail, "its workflow's result cannot be read")
}
