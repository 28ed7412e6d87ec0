package orders_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/protobuf/types/known/timestamppb"

	"orderflow/dev/local/internal/orders"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// newForgetfulTemporal returns a Temporal client that finds no workflow.
func newForgetfulTemporal(t *testing.T) *mocks.Client {
	t.Helper()
	temporal := mocks.NewClient(t)
	temporal.On("QueryWorkflow", mock.Anything, "order-1", "", "status").Return(nil, serviceerror.NewNotFound("gone"))
	return temporal
}

type rows map[string]fulfillment.Row

func (r rows) FindFulfillment(_ context.Context, id string) (fulfillment.Row, error) {
	row, found := r[id]
	if !found {
		return row, fmt.Errorf("find: %w", postgres.ErrNotFound)
	}
	return row, nil
}

func TestState_FromRow(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		row    fulfillment.Row
		credit order.Credit
	}{
		"waiting for shipment": {fulfillment.Row{Status: order.StatusFulfilling}, order.CreditReserved},
		"shipped":              {fulfillment.Row{Status: order.StatusShipped}, order.CreditReserved},
		"cancelled":            {fulfillment.Row{Status: order.StatusCancelled, Reason: order.ReasonCancelled}, order.CreditReleased},
		"never had the credit": {fulfillment.Row{Status: order.StatusRejected, Reason: order.ReasonInsufficientCredit}, order.CreditRefused},
		"declined on hold":     {fulfillment.Row{Status: order.StatusRejected, Reason: order.ReasonCreditDeclined}, order.CreditReleased},
		"held for too long":    {fulfillment.Row{Status: order.StatusRejected, Reason: order.ReasonHoldExpired}, order.CreditReleased},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.row.OrderID, test.row.Email = "order-1", email.StatusSending

			state, err := orders.States{Temporal: newForgetfulTemporal(t), Rows: rows{"order-1": test.row}}.State(t.Context(), "order-1")

			require.NoError(t, err)
			require.Equal(t, test.row.Status, state.Status)
			require.Equal(t, test.row.Reason, state.Reason)
			require.Equal(t, test.credit, state.Credit)
			require.Equal(t, "pending", state.Email, "the value used in reports")
		})
	}
}

func TestState_Unknown(t *testing.T) {
	t.Parallel()
	_, err := orders.States{Temporal: newForgetfulTemporal(t), Rows: rows{}}.State(t.Context(), "order-1")

	require.ErrorIs(t, err, orders.ErrUnknown)
}

// listing returns Temporal's list entry for an order.
func listing(t *testing.T, id string, age time.Duration, status order.Status) *workflowpb.WorkflowExecutionInfo {
	t.Helper()
	keyword, err := converter.GetDefaultDataConverter().ToPayload(string(status))
	require.NoError(t, err)
	info := &workflowpb.WorkflowExecutionInfo{
		Execution: &commonpb.WorkflowExecution{WorkflowId: id}, Status: enums.WORKFLOW_EXECUTION_STATUS_RUNNING,
		StartTime:        timestamppb.New(time.Unix(1_000_000, 0).Add(-age)),
		SearchAttributes: &commonpb.SearchAttributes{IndexedFields: map[string]*commonpb.Payload{"OrderStatus": keyword}},
	}
	if status.Final() {
		info.Status = enums.WORKFLOW_EXECUTION_STATUS_COMPLETED
	}
	return info
}

func TestRecent_NewestOpenAndClosedOrders(t *testing.T) {
	t.Parallel()
	stores := newStores()
	temporal := mocks.NewClient(t)
	open := []*workflowpb.WorkflowExecutionInfo{
		listing(t, "order-1", time.Minute, order.StatusFulfilling), listing(t, "order-3", 3*time.Minute, order.StatusFulfilling),
	}
	closed := []*workflowpb.WorkflowExecutionInfo{listing(t, "order-2", 2*time.Minute, order.StatusRejected)}
	for _, part := range [][]*workflowpb.WorkflowExecutionInfo{open, closed, open, closed} {
		temporal.On("ListWorkflow", mock.Anything, mock.Anything).
			Return(&workflowservice.ListWorkflowExecutionsResponse{Executions: part}, nil).Once()
	}
	stores.setState("order-1", order.StatusFulfilling, "pending")
	stores.setState("order-2", order.StatusRejected, "sent")
	stores.setState("order-3", order.StatusFulfilling, "sent")
	recent := orders.Recent{Temporal: temporal, States: stores, Most: 2}

	first, err := recent.Look(t.Context())
	require.NoError(t, err)
	require.Len(t, first, 2)
	require.Equal(t, "order-1", first[0].OrderID)
	require.Equal(t, "order-2", first[1].OrderID)

	stores.asked = nil
	stores.setState("order-1", order.StatusFulfilling, "sent")
	second, err := recent.Look(t.Context())
	require.NoError(t, err)
	require.Equal(t, "sent", second[0].Email)
	require.Equal(t, []string{"order-1"}, stores.asked, "a closed order does not change")
}
