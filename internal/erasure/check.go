package erasure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"

	"orderflow/internal/credit"
	"orderflow/workflows"
)

// callTimeout bounds one call to Temporal.
const callTimeout = 10 * time.Second

// check returns a *RefusedError unless all orders may be erased.
func (s Stores) check(ctx context.Context, subject Subject, orders []*found, o Options) error {
	var refused []Refusal
	for _, one := range orders {
		reason, err := s.refuses(ctx, subject, one, o)
		if err != nil {
			return fmt.Errorf("order %s: %w", one.id, err)
		}
		if reason != "" {
			refused = append(refused, Refusal{one.id, reason})
		}
	}
	if len(refused) > 0 {
		return &RefusedError{Orders: refused}
	}
	return nil
}

// refuses returns why an order must not be erased, or "". An order is closed if its row is
// final, or if it has none and its workflow has ended, or if it can never have a workflow.
func (s Stores) refuses(ctx context.Context, subject Subject, one *found, o Options) (string, error) {
	if subject.OrderID == "" {
		switch {
		case one.foreign, one.row != nil && one.row.CustomerID != subject.CustomerID:
			return "was placed for another customer too: see `orderflow erase --order`", nil
		case one.unreadable && one.stream.Live:
			return "is not JSON, and may be another customer's: see `orderflow erase --order`", nil
		}
	}
	open, known, err := s.openWorkflow(ctx, one.id)
	switch {
	case err != nil:
		return "", err
	case open != "":
		return "is open: the workflow " + open + " is running", nil
	case one.row != nil && !one.row.Status.Final():
		return fmt.Sprintf("is %s, and no workflow processes it: run `orderflow reconcile`", one.row.Status), nil
	case one.row == nil && one.valid && one.stream.Live && !known:
		return "was not started yet: wait, or run `orderflow reconcile`", nil
	}
	return s.unpaid(ctx, one, o)
}

// openWorkflow returns the id of an open workflow that may read the order's body or write
// its row, and reports whether the order had a workflow. One that sends a waiting email
// may be open: without an address it sends nothing.
func (s Stores) openWorkflow(ctx context.Context, orderID string) (open string, known bool, err error) {
	for _, id := range []string{orderID, workflows.RepairID(orderID), workflows.RestoreID(orderID)} {
		status, err := s.statusOf(ctx, id)
		switch {
		case err != nil:
			return "", false, err
		case status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING, status == enums.WORKFLOW_EXECUTION_STATUS_PAUSED:
			return id, true, nil
		case status != enums.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED:
			known = true
		}
	}
	return "", known, nil
}

// statusOf returns the status of a workflow's latest run, or unspecified if there is none.
func (s Stores) statusOf(ctx context.Context, id string) (enums.WorkflowExecutionStatus, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	described, err := s.Temporal.DescribeWorkflow(ctx, id, "")
	if _, missing := errors.AsType[*serviceerror.NotFound](err); missing {
		return enums.WORKFLOW_EXECUTION_STATUS_UNSPECIFIED, nil
	}
	if err != nil {
		return 0, fmt.Errorf("describe workflow %s: %w", id, err)
	}
	return described.RawResponse.GetWorkflowExecutionInfo().GetStatus(), nil
}

// unpaid returns why an order whose credit is reserved must not be erased: its payments
// are settled from its stream.
func (s Stores) unpaid(ctx context.Context, one *found, o Options) (string, error) {
	if o.Unpaid || !one.stream.Live || one.row == nil {
		return "", nil
	}
	decision := one.decision
	if decision.Verdict == "" { // the subject is one order
		decisions, err := s.Accounts.Decisions(ctx, one.row.CustomerID)
		if err != nil {
			return "", fmt.Errorf("read the credit account: %w", err)
		}
		decision = decisions[one.id]
	}
	if decision.Verdict == credit.VerdictReserved {
		return "is not paid, and its credit is reserved: see --unpaid", nil
	}
	return "", nil
}
