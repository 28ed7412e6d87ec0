package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
)

// OrderIsOpenInput names an order.
type OrderIsOpenInput struct {
	OrderID string `json:"orderId"`
}

// OrderIsOpen tells whether the order has a workflow that is open: then that one is to see to it. It asks for the newest
// run itself and not the list of workflows, which comes late.
func (a *Activities) OrderIsOpen(ctx context.Context, in OrderIsOpenInput) (bool, error) {
	description, err := activity.GetClient(ctx).DescribeWorkflow(ctx, in.OrderID, "")
	var notFound *serviceerror.NotFound
	switch {
	case errors.As(err, &notFound):
		return false, nil
	case err != nil:
		return false, failure(ctx, fmt.Errorf("look for the order's workflow: %w", err))
	}
	status := description.RawResponse.GetWorkflowExecutionInfo().GetStatus()
	return status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enums.WORKFLOW_EXECUTION_STATUS_PAUSED, nil
}
