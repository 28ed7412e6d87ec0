package e2e_test

import (
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	updatepb "go.temporal.io/api/update/v1"

	commonpb "go.temporal.io/api/common/v1"

	"orderflow/internal/order"
)

const millisecond = time.Millisecond

func updateRef(workflowID, updateID string) *updatepb.UpdateRef {
	return &updatepb.UpdateRef{WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: workflowID}, UpdateId: updateID}
}

func slug(name string) string {
	return strings.ReplaceAll(strings.ReplaceAll(name, ",", ""), " ", "-")
}

// storedEffects is everything the stores hold about an order whose customer has no other
// order.
type storedEffects struct {
	status   string // of the row; empty if there is none
	credit   []string
	versions []string
	mails    []string // emails that arrived
	ledger   []string // rows of the email ledger, with their status
}

func (s *stackClient) storedEffects(id, customer string) storedEffects {
	s.t.Helper()
	rows, err := s.database.Query(s.t.Context(), "SELECT kind || ' ' || status FROM email_delivery WHERE order_id = $1 ORDER BY kind", id)
	require.NoError(s.t, err)
	ledger, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(s.t, err)
	rows, err = s.database.Query(s.t.Context(), "SELECT status FROM order_fulfillment WHERE order_id = $1", id)
	require.NoError(s.t, err)
	statuses, err := pgx.CollectRows(rows, pgx.RowTo[string])
	require.NoError(s.t, err)
	return storedEffects{
		status: strings.Join(statuses, ""), credit: s.credit(customer), versions: s.versions(id), mails: kinds(s.mails(id)), ledger: ledger,
	}
}

// requireDoneOnce checks what the stores hold about an order that has ended, and returns
// its status.
func (o *orderUnderTest) requireDoneOnce() order.Status {
	o.t.Helper()
	h := o.storedEffects(o.id, o.customer)
	o.requireSettled(h)
	o.requireNoTaskFailed()
	return order.Status(h.status)
}

func (o *orderUnderTest) requireSettled(h storedEffects) {
	o.t.Helper()
	count := func(list []string, what string) (n int) {
		for _, s := range list {
			if s == what {
				n++
			}
		}
		return n
	}
	reserved, released := count(h.credit, "credit-reserved"), count(h.credit, "credit-released")
	confirmed := count(h.mails, "confirmation")
	require.LessOrEqual(o.t, reserved, 1, "%+v", h)
	for _, entry := range h.ledger {
		require.NotContains(o.t, entry, "pending", "%+v", h)
		require.NotContains(o.t, entry, "sending", "%+v", h)
	}
	switch order.Status(h.status) {
	case order.StatusShipped:
		require.Equal(o.t, []int{1, 0}, []int{reserved, released}, "%+v", h)
		require.Equal(o.t, []string{"order-approved", "order-shipped"}, h.versions)
		require.ElementsMatch(o.t, []string{"confirmation", "shipment"}, h.mails)
	case order.StatusRejected:
		require.Equal(o.t, []int{0, 1}, []int{reserved, released}, "%+v", h)
		require.Equal(o.t, []string{"order-rejected"}, h.versions)
		require.Equal(o.t, []string{"rejection"}, h.mails)
	case order.StatusCancelled:
		require.Equal(o.t, 1, released, "%+v", h)
		require.LessOrEqual(o.t, count(h.versions, "order-approved"), reserved, "%+v", h)
		require.Equal(o.t, 1, count(h.versions, "order-cancelled"), "%+v", h)
		require.Equal(o.t, confirmed, count(h.mails, "cancellation"), "exactly the customers with a confirmation get a cancellation: %+v", h)
		require.Len(o.t, h.mails, 2*confirmed)
	default:
		require.Fail(o.t, "the order has not ended", "%+v", h)
	}
}

// requireNoTaskFailed checks that no workflow task failed, except because of a message
// that arrived meanwhile.
func (o *orderUnderTest) requireNoTaskFailed() {
	o.t.Helper()
	for _, event := range o.history(o.id).GetEvents() {
		if failed := event.GetWorkflowTaskFailedEventAttributes(); failed != nil {
			require.Equal(o.t, enums.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND, failed.GetCause(), failed.GetFailure().GetMessage())
		}
	}
}
