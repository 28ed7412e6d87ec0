package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"
)

// OrderIsOpenInput identifies an order.
type OrderIsOpenInput struct {
	OrderID string `json:"orderId"`
}

// OrderIsOpen reports whether the order has an open workflow. If so, that workflow is
// responsible for the order. OrderIsOpen describes the newest run instead of listing
// workflows, because the list lags behind.
func (a *Activities) OrderIsOpen(ctx context.Context, in OrderIsOpenInput) (bool, error) {
	description, err := activity.GetClient(ctx).DescribeWorkflow(ctx, in.OrderID, "")
	var notFound *serviceerror.NotFound
	switch {
	case errors.As(err, &notFound):
		return false, nil
	case err != nil:
		return false, classifyError(ctx, fmt.Errorf("look for the order's workflow: %w", err))
	}
	status := description.RawResponse.GetWorkflowExecutionInfo().GetStatus()
	return status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enums.WORKFLOW_EXECUTION_STATUS_PAUSED, nil
}
