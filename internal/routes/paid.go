package routes

import (
	"context"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// handlePaid starts a separate settlement for each payment, so that one that cannot count
// does not keep a later one from being settled. A payment delivered before its order
// waits for it, as a cancellation does.
func (r *Router) handlePaid(ctx context.Context, event kurrent.Event) (Result, error) {
	paid, err := order.DecodePaid(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	if _, erased, err := r.findOrder(ctx, event.Stream); err != nil {
		return "", err
	} else if erased {
		return Ignored, nil
	}
	input := workflows.SettlementInput{OrderID: paid.OrderID, Amount: paid.Amount, Source: SourceOf(event)}
	failpoint.Hit("starter.settlement.before")
	_, err = r.Temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       workflows.SettlementID(paid.OrderID, event.Revision),
		TaskQueue:                                workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            paid.Amount.String() + " paid",
	}, workflows.OrderSettlementType, input)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return r.checkDuplicateSettlement(ctx, workflows.SettlementID(paid.OrderID, event.Revision))
	case err != nil:
		return "", err
	}
	failpoint.Hit("starter.settlement.after")
	return Started, nil
}

// checkDuplicateSettlement returns Duplicate if the workflow with the settlement's
// id is a settlement, and a ParkError if it is not.
func (r *Router) checkDuplicateSettlement(ctx context.Context, workflowID string) (Result, error) {
	run, err := r.findExecution(ctx, workflowID, workflows.OrderSettlementType)
	switch {
	case err != nil:
		return "", err
	case run.runID == "":
		return "", ErrRunChanged // it was deleted since the start was refused
	}
	return Duplicate, nil
}
