package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// TypeOrderOpen is the type of the error of a repair that found its order's workflow
// open.
const TypeOrderOpen = "ORDER_OPEN"

// RepairInput is the input of OrderRepair: the input of the order's own workflow, and why
// it needs repair.
type RepairInput struct {
	Input
	Code string `json:"code"` // such as TERMINATED; stored with the reason in the order's row
}

// RepairID returns the workflow id of an order's repair.
func RepairID(orderID string) string { return "repair-" + orderID }

// SearchAttributes returns the search attributes a repair is started with.
func (in RepairInput) SearchAttributes() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(in.attributes(order.StatusCancelling)...)
}

// Summary returns the one-line summary that the Web UI shows for the repair.
func (in RepairInput) Summary() string { return fmt.Sprintf("%s: repair of %s", in.Code, in.OrderID) }

func (in RepairInput) validate() error {
	return errors.Join(in.Input.validate(), checkCode("code", in.Code))
}

// OrderRepair compensates an order whose workflow ended without doing so, because it was
// terminated or timed out. It closes the fulfillment as canceled, releases the credit,
// and sends the email that is due. An order that is already closed stays unchanged: an
// order that has shipped keeps its credit until it is paid.
//
// If the order's workflow is open, the repair does nothing and fails with TypeOrderOpen.
// It checks this right before it closes the fulfillment, in each round. If a workflow is
// reset in the moment after that check, it is canceled, and nothing worse: both write the
// same row, and the row's lock orders them. Either the order finds its fulfillment
// closed, releases what it has reserved since, and ends as canceled; or it has shipped,
// and the repair takes over that status. This is why the row comes before the credit,
// which is changed only if the row says so.
//
// An order of which a parcel has left cannot be canceled: the repair starts its workflow
// again, which waits for the rest.
func OrderRepair(ctx workflow.Context, in RepairInput) (*order.State, error) {
	if err := in.validate(); err != nil {
		return nil, temporal.NewNonRetryableApplicationError(err.Error(), "INVALID_INPUT", nil)
	}
	o, err := newRepair(ctx, in)
	if err != nil {
		return nil, err
	}
	err = o.repair()
	switch {
	case errors.Is(err, errContinueAsNew):
		return nil, workflow.NewContinueAsNewError(ctx, OrderRepairType, in)
	case err != nil:
		return nil, err
	}
	o.awaitEmails(o.stepsCtx)
	return o.result(o.mismatch)
}

// repair closes the fulfillment, and releases the credit unless the row says that the
// order has shipped. Each step can be repeated by the next run.
func (o *orderRun) repair() error {
	var open bool
	err := o.retryUntilDone(o.stepsCtx, StepCloseFulfillment, func(ctx workflow.Context) (err error) {
		if open, err = o.isOpen(ctx); err != nil || open {
			return err
		}
		return o.undoFulfillment(ctx)
	})
	switch {
	case err != nil:
		return err
	case open:
		return errOrderOpen(o.in.OrderID)
	case o.closedAs.Status == order.StatusFulfilling:
		o.state.Status, o.state.Reason, o.state.Code = order.StatusFulfilling, "", ""
		o.state.Parcels, o.state.Credit = o.closedAs.Parcels, order.CreditReserved
		return o.retryUntilDone(o.stepsCtx, StepStartFulfillment, o.startAgain)
	}
	if err := o.settleCredit(); err != nil {
		return err
	}
	return o.applyRow(o.stepsCtx, o.closedAs)
}

// newRepair returns an order that is already being undone. Nothing stops it, and it
// accepts no messages, because there is nothing to decide.
func newRepair(ctx workflow.Context, in RepairInput) (*orderRun, error) {
	o := &orderRun{
		in: in.Input,
		state: order.State{
			OrderID: in.OrderID, CustomerID: in.CustomerID, Status: order.StatusCancelling, Reason: order.ReasonCancelled,
			Code: in.Code, Total: in.Total, Credit: order.CreditNone, Email: string(email.StatusNone), PlacedAt: in.PlacedAt,
		},
		phase:           phaseUndoing,
		stepper:         stepper{orderID: in.OrderID, source: in.Source},
		sends:           newSends(),
		publishedStatus: order.StatusCancelling,
		stepsCtx:        disconnected(ctx),
	}
	o.show = o.publishStatus
	o.resumePublished(ctx)
	o.showProgress(o.stepsCtx)
	o.acceptRefresh(o.stepsCtx, o.attributes)
	query := workflow.QueryHandlerOptions{Description: "The order's state."}
	return o, workflow.SetQueryHandlerWithOptions(ctx, StatusQuery, func() (*order.State, error) { return o.snapshot(), nil }, query)
}

// startAgain starts the order's workflow, unless it is open. It does not follow it.
func (o *orderRun) startAgain(ctx workflow.Context) error {
	ctx = workflow.WithChildOptions(disconnected(ctx), workflow.ChildWorkflowOptions{
		WorkflowID:            o.in.OrderID,
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		TypedSearchAttributes: o.in.SearchAttributes(),
		Memo:                  map[string]any{MemoSourceEventID: o.in.Source.EventID},
		StaticSummary:         o.in.Summary(),
		StaticDetails:         o.in.Details(),
	})
	err := workflow.ExecuteChildWorkflow(ctx, OrderFulfillmentType, o.in).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return nil
	}
	return err
}

func (o *orderRun) isOpen(ctx workflow.Context) (open bool, err error) {
	err = workflow.ExecuteActivity(summarized(ctx, "check that its workflow is closed"), o.do.OrderIsOpen,
		activities.OrderIsOpenInput{OrderID: o.in.OrderID}).Get(ctx, &open)
	return open, err
}

// settleCredit releases the credit, for the reason in the row, unless the order has
// shipped. It closes the order in the account even if nothing was reserved: an attempt of
// the lost workflow may still reach the account.
func (o *orderRun) settleCredit() error {
	if o.closedAs.Status == order.StatusShipped {
		o.state.Credit = order.CreditReserved
		return nil
	}
	o.state.Reason = o.closedAs.Reason
	return o.retryUntilDone(o.stepsCtx, StepReleaseCredit, o.undoCredit)
}

// errOrderOpen returns a benign error: it is no fault, so it stays out of the failure
// metrics.
func errOrderOpen(orderID string) error {
	return temporal.NewApplicationErrorWithOptions(orderID+": its workflow is open, cancel that instead", TypeOrderOpen,
		temporal.ApplicationErrorOptions{NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign})
}
