package workflows

import (
	"errors"
	"maps"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// startFulfillment writes the fulfilment and lets the confirmation go its own way beside the wait. It ends the order when
// what is stored is final already: then an earlier run of this workflow brought it there.
func (o *orderRun) startFulfillment() error {
	var row activities.Fulfillment
	err := o.untilDecided(o.steps, StepStartFulfillment, func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(summarized(ctx, "start fulfilment"), o.do.StartFulfillment,
			activities.StartFulfillmentInput{
				OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Total: o.in.Total, Source: o.in.Source,
			}).Get(ctx, &row)
	})
	if err != nil {
		return err
	}
	o.phase = phaseFulfilling
	if row.Status.Final() {
		o.phase = phaseClosing
		o.shipment = shipmentOf(row)
	}
	return o.adopt(o.steps, row)
}

func shipmentOf(row activities.Fulfillment) *RecordShipment {
	if row.Status != order.StatusShipped {
		return nil
	}
	return &RecordShipment{Carrier: row.Carrier, TrackingNumber: row.TrackingNumber}
}

// waitForShipment takes a shipment before a cancellation, should both be there.
func (o *orderRun) waitForShipment(ctx workflow.Context) error {
	err := workflow.Await(o.steps, func() bool { return o.shipment != nil || o.continuing })
	if err == nil && o.shipment != nil {
		return nil
	}
	yieldToHandlers(ctx)
	switch {
	case o.shipment != nil && (err == nil || workflow.GetVersion(ctx, versionHearOut, workflow.DefaultVersion, 1) == 1):
		return nil
	case o.steps.Err() != nil:
		return o.steps.Err()
	default:
		return errContinueAsNew
	}
}

// ship closes the order as shipped. From here on it is too late to cancel it, and it is never compensated: the parcel has
// left, so failures are retried until they clear.
func (o *orderRun) ship(ctx workflow.Context) error {
	o.enter(phaseClosing, order.StatusFulfilling, "")
	ctx = disconnected(ctx)
	var row activities.Fulfillment
	err := o.untilDone(ctx, StepCloseFulfillment, func(ctx workflow.Context) (err error) {
		row, err = o.closeRow(summarized(ctx, "close as shipped"), order.StatusShipped)
		return err
	})
	if err != nil {
		return err
	}
	return o.adopt(ctx, row)
}

// closeRow brings the fulfilment to a final status. A row that is final already wins: the order ends with it.
func (o *orderRun) closeRow(ctx workflow.Context, status order.Status) (row activities.Fulfillment, err error) {
	err = workflow.ExecuteActivity(ctx, o.do.CloseFulfillment, o.closing(status)).Get(ctx, &row)
	return row, err
}

// undoFulfillment closes the fulfilment as cancelled, or finds that the order is closed for good in another way.
func (o *orderRun) undoFulfillment(ctx workflow.Context) error {
	o.stopMails(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // the run continues as new
	}
	row, err := o.closeRow(summarized(ctx, "close as cancelled"), order.StatusCancelled)
	var broken *temporal.ApplicationError
	if errors.As(err, &broken) && broken.Type() == activities.TypeMismatch {
		// The row was written from another order than the one this run was started with. It is not ours to close.
		o.mismatch = broken
		row, err = activities.Fulfillment{Status: order.StatusCancelled, Reason: order.ReasonFulfillmentFailed}, nil
	}
	if err == nil {
		o.closedAs = row
		o.handOverStopped(ctx)
	}
	return err
}

func (o *orderRun) closing(status order.Status) activities.CloseFulfillmentInput {
	in := activities.CloseFulfillmentInput{
		OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Total: o.in.Total, PlacedAt: o.in.PlacedAt, Source: o.in.Source,
		Status: status, Reason: o.state.Reason, Code: o.state.Code, Email: email.Status(o.state.Email),
		Emails: maps.Clone(o.state.Emails),
	}
	if status == order.StatusShipped {
		in.Carrier, in.TrackingNumber = o.shipment.Carrier, o.shipment.TrackingNumber
	}
	return in
}

// adopt takes over what is stored, publishes it, and sends the emails that are due for it. Credit that this run reserved
// for an order that is closed without it goes back first: an earlier run had closed the row and was lost before it came to
// that. Its only error is errContinueAsNew.
func (o *orderRun) adopt(ctx workflow.Context, row activities.Fulfillment) error {
	if o.state.Credit == order.CreditReserved && row.Status.Final() && row.Status != order.StatusShipped && o.mismatch == nil {
		o.state.Reason = row.Reason
		if err := o.untilDone(disconnected(ctx), StepReleaseCredit, o.undoCredit); err != nil {
			return err
		}
	}
	o.state.Status, o.state.Reason, o.state.Code = row.Status, row.Reason, row.Code
	o.state.Carrier, o.state.TrackingNumber = row.Carrier, row.TrackingNumber
	if row.Email != "" {
		o.state.Email = string(row.Email)
	}
	if row.Status == order.StatusCancelled && row.Email == email.StatusSuppressed {
		o.noteEmail(email.KindConfirmation, row.Email)
	}
	o.rest(ctx)
	if row.MailDue != "" {
		o.send(ctx, row.MailDue)
	}
	for _, kind := range row.AlsoDue {
		if !o.mails.begun[kind] { // a run that was lost had begun it, and nothing follows it to its end
			o.mails.begun[kind] = true
			o.noteEmail(kind, email.StatusPending)
			o.handOver(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind})
		}
	}
	return nil
}
