package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// TypeOrderOpen is the error of a repair that found its order's workflow open.
const TypeOrderOpen = "ORDER_OPEN"

// RepairInput is what OrderRepair is started with: the order as its own workflow was, and why it needs repair.
type RepairInput struct {
	Input
	Code string `json:"code"` // such as TERMINATED; it stands beside the reason in the order's row
}

// RepairID is the workflow id of an order's repair.
func RepairID(orderID string) string { return "repair-" + orderID }

// SearchAttributes are the ones a repair is started with.
func (in RepairInput) SearchAttributes() temporal.SearchAttributes {
	return temporal.NewSearchAttributes(
		customerIDKey().ValueSet(in.CustomerID),
		currencyKey().ValueSet(in.Total.Currency),
		totalKey().ValueSet(in.Total.Minor),
		statusKey().ValueSet(string(order.StatusCancelling)),
	)
}

// Summary is the one line the Web UI shows for the repair.
func (in RepairInput) Summary() string { return fmt.Sprintf("%s: repair of %s", in.Code, in.OrderID) }

func (in RepairInput) validate() error {
	return errors.Join(in.Input.validate(), code("code", in.Code))
}

// OrderRepair undoes what an order still holds whose workflow ended without doing so, because it was terminated or timed
// out: it closes the fulfilment as cancelled, gives the credit back, and sends the mail that is due. An order that turns
// out to be closed stays as it is: one that has shipped keeps its credit until it is paid.
//
// It leaves alone an order whose workflow is open, and fails with TypeOrderOpen. It looks right before it closes the
// fulfilment, in each round. A workflow that is reset in the moment after that is cancelled by it and nothing worse: the
// row is what both meet at, and its lock lets one of them be first. The order then finds its fulfilment closed, gives back
// what it reserved since, and ends as cancelled; or it has shipped, and the repair takes that over. So the row comes before
// the credit, which is only touched when the row says that it must go.
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
	o.settleMails(o.steps)
	return o.result(o.mismatch)
}

// repair closes the fulfilment, and gives back what the row says must go. Each step can be repeated by a next run.
func (o *orderRun) repair() error {
	var open bool
	err := o.untilDone(o.steps, StepCloseFulfillment, func(ctx workflow.Context) (err error) {
		if open, err = o.isOpen(ctx); err != nil || open {
			return err
		}
		return o.undoFulfillment(ctx)
	})
	switch {
	case err != nil:
		return err
	case open:
		return leftAlone(o.in.OrderID)
	}
	if err := o.settleCredit(); err != nil {
		return err
	}
	return o.adopt(o.steps, o.closedAs)
}

// newRepair makes an order that is on its way back. Nothing stops it, and it takes no messages: there is nothing to decide.
func newRepair(ctx workflow.Context, in RepairInput) (*orderRun, error) {
	o := &orderRun{
		in: in.Input,
		state: order.State{
			OrderID: in.OrderID, CustomerID: in.CustomerID, Status: order.StatusCancelling, Reason: order.ReasonCancelled,
			Code: in.Code, Total: in.Total, Credit: order.CreditNone, Email: string(email.StatusNone), PlacedAt: in.PlacedAt,
		},
		phase:     phaseUndoing,
		mails:     newMails(),
		published: order.StatusCancelling,
		steps:     disconnected(ctx),
	}
	o.show = o.rest
	o.takeOver(ctx)
	o.showProgress(o.steps)
	query := workflow.QueryHandlerOptions{Description: "Where the order stands."}
	return o, workflow.SetQueryHandlerWithOptions(ctx, StatusQuery, func() (*order.State, error) { return o.snapshot(), nil }, query)
}

func (o *orderRun) isOpen(ctx workflow.Context) (open bool, err error) {
	err = workflow.ExecuteActivity(summarized(ctx, "is its workflow open"), o.do.OrderIsOpen,
		activities.OrderIsOpenInput{OrderID: o.in.OrderID}).Get(ctx, &open)
	return open, err
}

// settleCredit gives the credit back, for the reason the row tells, unless the order has shipped. It closes the order in
// the account also when nothing was reserved: an attempt of the lost workflow may still be on its way there.
func (o *orderRun) settleCredit() error {
	if o.closedAs.Status == order.StatusShipped {
		o.state.Credit = order.CreditReserved
		return nil
	}
	o.state.Reason = o.closedAs.Reason
	return o.untilDone(o.steps, StepReleaseCredit, o.undoCredit)
}

// leftAlone is no fault, so it stays out of the failure metrics.
func leftAlone(orderID string) error {
	return temporal.NewApplicationErrorWithOptions(orderID+": its workflow is open, cancel that instead", TypeOrderOpen,
		temporal.ApplicationErrorOptions{NonRetryable: true, Category: temporal.ApplicationErrorCategoryBenign})
}
