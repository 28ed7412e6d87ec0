package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// RestoreInput is the input of OrderRestore: the input of the order's own workflow, and
// that workflow's state or result.
type RestoreInput struct {
	Input
	State order.State `json:"state"` // fulfilling while the order's workflow is open, its result after it ended

	// Reserve restores the order's reservation instead of its row: its customer's account
	// lost it, and the order is open or has shipped.
	Reserve bool `json:"reserve,omitempty"`
}

// RestoreID returns the workflow id of the restore of an order's row.
func RestoreID(orderID string) string { return "restore-" + orderID }

// Summary returns the one-line summary that the Web UI shows for the restore.
func (in RestoreInput) Summary() string {
	if in.Reserve {
		return "restore the reservation of " + in.OrderID
	}
	return fmt.Sprintf("%s: restore the row of %s", in.State.Status, in.OrderID)
}

// OrderRestore restores an order's row that PostgreSQL lost although the order's workflow
// continued, or ended, with it. What a workflow completed is a fact: nothing is
// compensated, no credit moves, and no email is sent that the workflow says was sent. An
// email that is still due is sent, because there may be no other workflow to send it.
// OrderRestore returns the resulting row. It differs from the state if the published
// events, or the row itself, are final in another status.
//
// If in.Reserve is set, OrderRestore restores the order's reservation, and nothing else.
func OrderRestore(ctx workflow.Context, in RestoreInput) (*activities.Fulfillment, error) {
	if err := in.validate(); err != nil {
		return nil, invalidInput(err)
	}
	if !in.Reserve && !fulfillment.ValidStatus(in.State.Status) {
		return nil, invalidInput(errors.New("state: must be fulfilling or final"))
	}
	var do *activities.Activities
	var row activities.Fulfillment
	steps := stepper{orderID: in.OrderID, source: in.Source}
	steps.resumePublished(ctx)
	steps.acceptRefresh(ctx, steps.stuckAttribute)
	if in.Reserve {
		return nil, restoreReservation(ctx, &steps, in)
	}
	err := steps.retryUntilDecided(ctx, StepRestoreFulfillment, func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(summarized(ctx, "restore the row"), do.RestoreFulfillment, activities.RestoreFulfillmentInput{
			OrderID: in.OrderID, CustomerID: in.CustomerID, Total: in.Total, PlacedAt: in.PlacedAt, Source: in.Source, State: in.State,
		}).Get(ctx, &row)
	})
	if err == nil {
		err = steps.retryUntilDecided(ctx, StepHandOverEmail, func(ctx workflow.Context) error { return sendDue(ctx, in, row) })
	}
	switch {
	case errors.Is(err, errContinueAsNew):
		return nil, workflow.NewContinueAsNewError(ctx, OrderRestoreType, in)
	case err != nil:
		return nil, err
	}
	steps.logger(ctx).Info("row restored", "status", row.Status)
	return &row, nil
}

// restoredBy is the code in place of an operator's id in a reservation that was restored
// outside the credit limit.
const restoredBy = "RESTORED"

// restoreReservation reserves an order that was accepted. If it does not fit the limit any
// more, because other orders took the credit meanwhile, it is approved.
func restoreReservation(ctx workflow.Context, steps *stepper, in RestoreInput) error {
	var do *activities.Activities
	var decision activities.CreditDecision
	err := steps.retryUntilDecided(ctx, StepReserveCredit, func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(summarized(ctx, "reserve "+in.Total.String()+" again"), do.ReserveCredit, activities.ReserveCreditInput{
			OrderID: in.OrderID, CustomerID: in.CustomerID, Amount: in.Total, Source: in.Source, ApprovedBy: restoredBy,
		}).Get(ctx, &decision)
	})
	switch {
	case errors.Is(err, errContinueAsNew):
		return workflow.NewContinueAsNewError(ctx, OrderRestoreType, in)
	case err != nil:
		return err
	}
	orderLogger(ctx, in.OrderID, in.Source).Info("reservation restored", "credit", creditStatus(decision))
	return nil
}

// sendDue starts the workflows of the emails that are due for a row and have none.
func sendDue(ctx workflow.Context, in RestoreInput, row activities.Fulfillment) error {
	due := row.AlsoDue
	if row.EmailDue != "" {
		due = append(due, row.EmailDue)
	}
	for _, kind := range due {
		if err := startEmail(ctx, EmailInput{OrderID: in.OrderID, Kind: kind, Source: in.Source}); err != nil {
			return err
		}
	}
	return nil
}
