package main

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

// paid starts a settlement of its own for each payment, so that one that cannot count does not keep a later one from being
// settled. A payment that overtook its order waits for it, as a cancellation does.
func (b *bridge) paid(ctx context.Context, event kurrent.Event) (result, error) {
	paid, err := order.DecodePaid(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	if _, erased, err := b.orderOf(ctx, event.Stream); err != nil {
		return "", err
	} else if erased {
		return resultIgnored, nil
	}
	input := workflows.SettlementInput{OrderID: paid.OrderID, Amount: paid.Amount, Source: source(event)}
	failpoint.Hit("starter.settlement.before")
	_, err = b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       workflows.SettlementID(paid.OrderID, event.Revision),
		TaskQueue:                                workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		StaticSummary:                            paid.Amount.String() + " paid",
	}, workflows.OrderSettlementType, input)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return b.settledBefore(ctx, workflows.SettlementID(paid.OrderID, event.Revision))
	case err != nil:
		return "", err
	}
	failpoint.Hit("starter.settlement.after")
	return resultStarted, nil
}

// settledBefore makes sure that what has the settlement's id is a settlement.
func (b *bridge) settledBefore(ctx context.Context, workflowID string) (result, error) {
	run, err := b.findExecution(ctx, workflowID, workflows.OrderSettlementType)
	switch {
	case err != nil:
		return "", err
	case run.runID == "":
		return "", errRunChanged // it was deleted since the start was refused
	}
	return resultDuplicate, nil
}
