package reconcile

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/dev/kurrentsim"
	"orderflow/dev/startertest"
	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// anEmailLeftInTransit is an order whose worker died between claiming its confirmation
// and sending it, and which was terminated before another attempt. Its repair notifies
// the customer of the cancellation, and must not leave the older email unresolved.
func anEmailLeftInTransit(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 30*time.Minute)
	h.mailer.setThrottled(true)
	h.Run()
	id := startertest.NewOrderID()
	h.Append(id, orderFor(id, "customer-of-"+id, "USD100.00"))
	h.awaitStatus(id, order.StatusFulfilling)
	h.terminate(id)
	h.stopWork() // so that no attempt is running
	db, err := pgx.Connect(t.Context(), h.address)
	require.NoError(t, err)
	defer func() { require.NoError(t, db.Close(t.Context())) }()
	_, err = db.Exec(t.Context(), `UPDATE email_delivery SET status = 'sending', attempt = attempt + 1, lease_until = clock_timestamp()
		WHERE order_id = $1`, id)
	require.NoError(t, err)
	h.startWork()
	h.mailer.setThrottled(false)

	requireFindings(t, "checked 1  missing 0  extra 0  held 1  parked 0  fixed 1  left 0", h.reconcile(fixing))

	h.awaitClosed(workflows.RepairID(id))
	h.awaitEmails(id, email.KindCancellation)
	require.EventuallyWithT(t, func(t *assert.CollectT) {
		var status string
		err := db.QueryRow(h.t.Context(), `SELECT status FROM email_delivery WHERE order_id = $1 AND kind = 'confirmation'`, id).Scan(&status)
		require.NoError(t, err)
		require.Equal(t, string(email.StatusUnknown), status)
	}, longEnough, 50*time.Millisecond)
	requireFindings(t, "checked 1  missing 0  extra 0  held 0  parked 0  fixed 0  left 0", h.reconcile())
}

// forgetSent makes the ledger list sent emails as pending again, as after a failover that
// lost their claims.
func (h *reconcileRig) forgetSent(id string, kinds ...email.Kind) {
	h.t.Helper()
	for _, kind := range kinds {
		h.lose("UPDATE email_delivery SET status = 'pending', attempt = 0, message_id = NULL, sent_at = NULL WHERE order_id = '" +
			id + "' AND kind = '" + string(kind) + "'")
	}
}

// ledger returns the ledger's statuses of an order's emails, by kind.
func (h *reconcileRig) ledger(id string) map[email.Kind]email.Status {
	h.t.Helper()
	conn, err := pgx.Connect(h.t.Context(), h.address)
	require.NoError(h.t, err)
	defer func() { require.NoError(h.t, conn.Close(h.t.Context())) }()
	rows, err := conn.Query(h.t.Context(), `SELECT kind, status FROM email_delivery WHERE order_id = $1`, id)
	require.NoError(h.t, err)
	all := map[email.Kind]email.Status{}
	var kind email.Kind
	var status email.Status
	_, err = pgx.ForEachRow(rows, []any{&kind, &status}, func() error { all[kind] = status; return nil })
	require.NoError(h.t, err)
	return all
}

func sentEmails(kinds ...email.Kind) map[email.Kind]email.Status {
	all := map[email.Kind]email.Status{}
	for _, kind := range kinds {
		all[kind] = email.StatusSent
	}
	return all
}

func aClosedOrdersEmails(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	shipped, canceled := h.shippedOrder(), h.place(startertest.NewOrderID())
	h.awaitEmails(canceled, email.KindConfirmation)
	h.update(canceled, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	h.awaitEmails(canceled, email.KindConfirmation, email.KindCancellation)
	h.awaitClosed(canceled)
	h.forgetSent(shipped, email.KindConfirmation, email.KindShipment)
	h.forgetSent(canceled, email.KindConfirmation, email.KindCancellation)

	found := h.reconcile(fixing)
	require.Equal(t, []int{2, 2, 0}, []int{found.Held, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, sentEmails(email.KindConfirmation, email.KindShipment), h.ledger(shipped))
	require.Equal(t, sentEmails(email.KindConfirmation, email.KindCancellation), h.ledger(canceled))
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindConfirmation, email.KindShipment}, h.mailer.kinds(shipped))
	require.Equal(t, []email.Kind{email.KindConfirmation, email.KindCancellation}, h.mailer.kinds(canceled))
}

func anOpenOrdersEmail(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	reconciled, canceled := h.place(startertest.NewOrderID()), h.place(startertest.NewOrderID())
	for _, id := range []string{reconciled, canceled} {
		h.awaitEmails(id, email.KindConfirmation)
		h.awaitState(id, func(s order.State) bool { return s.Email == string(email.StatusSent) })
		h.forgetSent(id, email.KindConfirmation)
	}
	h.update(canceled, workflows.CancelOrderMessage, workflows.CancelOrder{Reason: "customer-request"})
	h.awaitEmails(canceled, email.KindConfirmation, email.KindCancellation)
	h.awaitClosed(canceled)
	require.Equal(t, sentEmails(email.KindConfirmation, email.KindCancellation), h.ledger(canceled))

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Lost, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, sentEmails(email.KindConfirmation), h.ledger(reconciled))
	require.Equal(t, workflowOpen, h.describe(reconciled))
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindConfirmation}, h.mailer.kinds(reconciled))
}

// anEmailLeftToItsOwnWorkflow is an email that its order did not wait for: only the
// workflow it was left to knows that it was sent.
func anEmailLeftToItsOwnWorkflow(t *testing.T) { anEmailLeftTo(t, "", "pending") }

// anOutcomeLeftToItsOwnWorkflow is the same for a workflow that was given the outcome of
// an attempt, and sent the email later.
func anOutcomeLeftToItsOwnWorkflow(t *testing.T) {
	anEmailLeftTo(t, "-attempt-3", "unknown")
}

func anEmailLeftTo(t *testing.T, suffix, state string) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.shippedOrder()
	h.delete(id)
	h.stopWork()
	scripted := worker.New(h.temporal, workflows.TaskQueue, untilStopped())
	scripted.RegisterWorkflowWithOptions(func(workflow.Context, workflows.Input) (order.State, error) {
		emails := map[string]string{"confirmation": "sent", "shipment": state}
		return order.State{OrderID: id, Status: order.StatusShipped, Email: state, Emails: emails}, nil
	}, workflow.RegisterOptions{Name: workflows.OrderFulfillmentType})
	scripted.RegisterWorkflowWithOptions(func(workflow.Context, workflows.EmailInput) (activities.EmailResult, error) {
		return activities.EmailResult{Status: email.StatusSent}, nil
	}, workflow.RegisterOptions{Name: workflows.OrderEmailType})
	require.NoError(t, scripted.Start())
	for workflowID, start := range map[string]struct {
		name  string
		input any
	}{
		id: {workflows.OrderFulfillmentType, h.input(id)},
		workflows.EmailID(id, email.KindShipment) + suffix: {
			workflows.OrderEmailType, workflows.EmailInput{OrderID: id, Kind: email.KindShipment},
		},
	} {
		options := client.StartWorkflowOptions{ID: workflowID, TaskQueue: workflows.TaskQueue}
		_, err := h.temporal.ExecuteWorkflow(t.Context(), options, start.name, start.input)
		require.NoError(t, err)
		h.awaitClosed(workflowID)
	}
	scripted.Stop()
	require.Eventually(t, func() bool { // the list is eventually consistent
		query := "WorkflowId = '" + workflows.EmailID(id, email.KindShipment) + suffix + "'"
		listed, err := h.temporal.ListWorkflow(t.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: query})
		return err == nil && len(listed.GetExecutions()) == 1
	}, longEnough, waitTick)
	h.startWork()
	h.forgetSent(id, email.KindShipment)

	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Held, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, sentEmails(email.KindConfirmation, email.KindShipment), h.ledger(id))
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindConfirmation, email.KindShipment}, h.mailer.kinds(id))
}

// aRepairedOrdersEmail is an email sent by the repair of a terminated order. Only the
// repair's result says so.
func aRepairedOrdersEmail(t *testing.T) {
	h := newReconcileRig(t, kurrentsim.Options{}, 0)
	h.Run()
	id := h.place(startertest.NewOrderID())
	h.awaitEmails(id, email.KindConfirmation)
	h.terminate(id)
	found := h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Held, found.Fixed, found.Left}, "%+v", found.Differences)
	h.awaitEmails(id, email.KindConfirmation, email.KindCancellation)
	h.awaitClosed(workflows.RepairID(id))
	h.forgetSent(id, email.KindCancellation)

	found = h.reconcile(fixing)
	require.Equal(t, []int{1, 1, 0}, []int{found.Held, found.Fixed, found.Left}, "%+v", found.Differences)
	require.Equal(t, email.StatusSent, h.ledger(id)[email.KindCancellation])
	h.requireNothingLeft()
	require.Equal(t, []email.Kind{email.KindConfirmation, email.KindCancellation}, h.mailer.kinds(id))
}
