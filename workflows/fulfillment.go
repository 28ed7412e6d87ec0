package workflows

import (
	"errors"

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
	err := workflow.ExecuteActivity(storing(o.steps, "start fulfilment"), o.do.StartFulfillment,
		activities.StartFulfillmentInput{
			OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Total: o.in.Total, Source: o.in.Source,
		}).Get(o.steps, &row)
	if err != nil {
		return err
	}
	o.phase = phaseFulfilling
	if row.Status.Final() {
		o.phase = phaseClosing
		o.shipment = shipmentOf(row)
	}
	o.adopt(o.steps, row)
	return nil
}

func shipmentOf(row activities.Fulfillment) *RecordShipment {
	if row.Status != order.StatusShipped {
		return nil
	}
	return &RecordShipment{Carrier: row.Carrier, TrackingNumber: row.TrackingNumber}
}

// waitForShipment takes a shipment before a cancellation, should both be there.
func (o *orderRun) waitForShipment(ctx workflow.Context) error {
	err := workflow.Await(o.steps, func() bool { return o.shipment != nil })
	if err == nil {
		return nil
	}
	hearOut(ctx)
	if o.shipment != nil && workflow.GetVersion(ctx, versionHearOut, workflow.DefaultVersion, 1) == 1 {
		return nil
	}
	return err
}

// ship closes the order as shipped. From here on it is too late to cancel it, and it is never undone: what has left with
// a carrier has left, so an obstacle is waited out.
func (o *orderRun) ship(ctx workflow.Context) {
	o.enter(phaseClosing, order.StatusFulfilling, "")
	o.insist(afloat(ctx), "close as shipped", func(ctx workflow.Context) error {
		return o.closeAs(round(ctx, "close as shipped"), order.StatusShipped)
	})
}

// closeAs brings the fulfilment to a final status. A row that is final already wins: the order ends with it.
func (o *orderRun) closeAs(ctx workflow.Context, status order.Status) error {
	row, err := o.closeRow(ctx, status)
	if err == nil {
		o.adopt(ctx, row)
	}
	return err
}

func (o *orderRun) closeRow(ctx workflow.Context, status order.Status) (row activities.Fulfillment, err error) {
	err = workflow.ExecuteActivity(ctx, o.do.CloseFulfillment, o.closing(status)).Get(ctx, &row)
	return row, err
}

// undoFulfillment closes the fulfilment as cancelled, or finds that the order is closed for good in another way.
func (o *orderRun) undoFulfillment(ctx workflow.Context) error {
	o.stopMails(ctx)
	row, err := o.closeRow(round(ctx, "close as cancelled"), order.StatusCancelled)
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
	}
	if status == order.StatusShipped {
		in.Carrier, in.TrackingNumber = o.shipment.Carrier, o.shipment.TrackingNumber
	}
	return in
}

// adopt takes over what is stored, publishes it, and sends the mails that are due for it. Credit that this run reserved for
// an order that is closed without it goes back first: an earlier run had closed the row and was lost before it came to that.
func (o *orderRun) adopt(ctx workflow.Context, row activities.Fulfillment) {
	if o.state.Credit == order.CreditReserved && row.Status.Final() && row.Status != order.StatusShipped && o.mismatch == nil {
		o.state.Reason = row.Reason
		o.insist(afloat(ctx), "release credit", o.undoCredit)
	}
	o.state.Status, o.state.Reason, o.state.Code = row.Status, row.Reason, row.Code
	o.state.Carrier, o.state.TrackingNumber = row.Carrier, row.TrackingNumber
	if row.Email != "" {
		o.state.Email = string(row.Email)
	}
	o.rest(ctx)
	if row.MailDue != "" {
		o.send(ctx, row.MailDue)
	}
	for _, kind := range row.AlsoDue {
		if !o.mails.begun[kind] { // a run that was lost had begun it: nobody follows it to its end
			o.mails.begun[kind] = true
			o.handOver(ctx, kind)
		}
	}
}
