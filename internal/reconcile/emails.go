package reconcile

import (
	"context"
	"fmt"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// addEmailResults completes the email statuses of a workflow's state with those of the
// workflows to which it left the emails. It returns a *resultError if one of their
// results cannot be decoded.
func (r *reconciliation) addEmailResults(ctx context.Context, state *order.State) error {
	known := fulfillment.KnownEmails(*state)
	state.Emails = make(map[string]string, len(known))
	for _, kind := range emailKinds(*state) {
		status := known[kind]
		if status != email.StatusSent {
			said, err := r.emailResult(ctx, state.OrderID, kind)
			if err != nil {
				return err
			}
			if said != "" && said != email.StatusNone {
				status = said
			}
		}
		if status != "" {
			state.Emails[string(kind)] = string(status)
		}
	}
	return nil
}

// emailKinds returns every kind of email that an order with this state may have: each of
// its parcels has its own.
func emailKinds(state order.State) []email.Kind {
	kinds := email.Kinds()
	for n := 2; n <= len(state.Parcels); n++ {
		kinds = append(kinds, email.ParcelKind(n))
	}
	return kinds
}

// emailResult returns the result of the workflows of an email. It returns StatusSent if
// one of them says so, and an empty status if none says anything.
func (r *reconciliation) emailResult(ctx context.Context, orderID string, kind email.Kind) (said email.Status, err error) {
	err = r.visitEmails(ctx, orderID, kind, func(id string, run workflowRun) (enough bool, err error) {
		if run.state != workflowCompleted {
			return false, nil
		}
		var result struct {
			Status email.Status `json:"status"`
		}
		err = r.decodeResult(ctx, id, run, &result)
		if result.Status != "" {
			said = result.Status
		}
		return said == email.StatusSent, err
	})
	return said, err
}

// visitEmails visits the newest run of each workflow that an email was left to, until
// visit has seen enough. It visits the workflow that follows the email first, and then
// those that were given the outcome of an attempt. The list of the latter is eventually
// consistent.
func (r *reconciliation) visitEmails(
	ctx context.Context, orderID string, kind email.Kind, visit func(workflowID string, run workflowRun) (enough bool, err error),
) error {
	visitOne := func(id string) (enough bool, err error) {
		run, err := r.describe(ctx, id)
		if err != nil || run.state == workflowNone {
			return false, err
		}
		return visit(id, run)
	}
	main := workflows.EmailID(orderID, kind)
	if enough, err := visitOne(main); enough || err != nil {
		return err
	}
	listed, err := r.list(ctx, fmt.Sprintf("WorkflowId STARTS_WITH '%s-attempt-'", main), nil)
	if err != nil {
		return fmt.Errorf("list email workflows of %s: %w", orderID, err)
	}
	for _, info := range listed.GetExecutions() {
		if enough, err := visitOne(info.GetExecution().GetWorkflowId()); enough || err != nil {
			return err
		}
	}
	return nil
}
