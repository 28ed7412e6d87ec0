package orders_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	workflowpb "go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/mocks"
	"google.golang.org/protobuf/types/known/timestamppb"

	"orderflow/dev/local/internal/orders"
	"orderflow/internal/order"
)

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
	stores.setCredit("order-2", order.CreditRefused)
	recent := orders.Recent{Workflows: temporal, States: stores, Most: 2}

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

func TestRecent_AsksUntilTheReleaseIsKnown(t *testing.T) {
	t.Parallel()
	stores := newStores()
	temporal := mocks.NewClient(t)
	cancelled := []*workflowpb.WorkflowExecutionInfo{listing(t, "order-1", time.Minute, order.StatusCancelled)}
	for _, part := range [][]*workflowpb.WorkflowExecutionInfo{nil, cancelled, nil, cancelled, nil, cancelled} {
		temporal.On("ListWorkflow", mock.Anything, mock.Anything).
			Return(&workflowservice.ListWorkflowExecutionsResponse{Executions: part}, nil).Once()
	}
	stores.setState("order-1", order.StatusCancelled, "sent")
	recent := orders.Recent{Workflows: temporal, States: stores, Most: 2}
	_, err := recent.Look(t.Context())
	require.NoError(t, err)

	stores.setCredit("order-1", order.CreditReleased)
	for range 2 {
		seen, err := recent.Look(t.Context())
		require.NoError(t, err)
		require.Equal(t, order.CreditReleased, seen[0].Credit)
	}

	require.Len(t, stores.asked, 2)
}
