package main

import (
	"context"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// paid starts the settlement of an order. A payment that did not cover the order failed its settlement, so a later one
// may start it again; after one that did, there is nothing left to settle.
func (b *bridge) paid(ctx context.Context, event kurrent.Event) (result, error) {
	paid, err := order.DecodePaid(event.Stream, event.ContentType, event.Data)
	if err != nil {
		return "", park("%s", err)
	}
	input := workflows.SettlementInput{OrderID: paid.OrderID, Amount: paid.Amount, Source: source(event)}
	_, err = b.temporal.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID:                                       workflows.SettlementID(paid.OrderID),
		TaskQueue:                                workflows.TaskQueue,
		WorkflowIDReusePolicy:                    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE_FAILED_ONLY,
		WorkflowIDConflictPolicy:                 enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL,
		WorkflowExecutionErrorWhenAlreadyStarted: true,
		Memo:                                     map[string]any{workflows.MemoSourceEventID: input.Source.EventID},
		StaticSummary:                            paid.Amount.String() + " paid",
	}, workflows.OrderSettlementType, input)
	switch {
	case temporal.IsWorkflowExecutionAlreadyStartedError(err):
		return resultDuplicate, nil
	case err != nil:
		return "", err
	}
	return resultStarted, nil
}
