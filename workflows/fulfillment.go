package workflows

import (
	"errors"
	"maps"
	"slices"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// startFulfillment writes the fulfillment and starts sending the confirmation, which does
// not delay the order. If the stored row is already final, an earlier run of this
// workflow closed it, and the order ends.
func (o *orderRun) startFulfillment() error {
	var row activities.Fulfillment
	err := o.retryUntilPrevented(StepStartFulfillment, func(ctx workflow.Context) error {
		return o.execute(summarized(ctx, "start fulfillment"), o.do.StartFulfillment, activities.StartFulfillmentInput{
			OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Total: o.in.Total, Source: o.in.Source,
		}, &row)
	})
	if err != nil {
		return err
	}
	o.phase = phaseFulfilling
	if row.Status.Final() {
		o.phase, o.closedBefore = phaseClosing, true
		o.parcels = closedParcels(row)
	} else {
		o.adoptParcels(o.stepsCtx, row)
		o.watchShipBy(o.stepsCtx, row.ShipBy)
		o.recordTimeSincePlaced(o.stepsCtx, metricConfirmed)
		o.logger(o.stepsCtx).Info("fulfillment started")
	}
	return o.applyRow(o.stepsCtx, row)
}

// retryUntilPrevented repeats a step before the order waits for its shipment, until it
// succeeds, fails with an error that must not be retried, or a cancellation prevents it.
//
// A cancellation does not prevent it while there is a shipment: a workflow task that was
// lost, or an attempt that timed out, may have started the fulfillment, and the parcel has
// left. The shipment then wins, as in waitForShipment.
func (o *orderRun) retryUntilPrevented(step string, do func(workflow.Context) error) error {
	err := o.retryUntilDecided(o.stepsCtx, step, do)
	if err == nil || isPermanent(err) || o.stepsCtx.Err() == nil || o.rules < rulesLocal {
		return err
	}
	yieldToHandlers(o.stepsCtx)
	if !o.parcels.any() {
		return err
	}
	return o.retryUntilDecided(disconnected(o.stepsCtx), step, do)
}

// closedParcels returns the parcels of a row that is final.
func closedParcels(row activities.Fulfillment) parcels {
	taken := slices.Clone(row.Parcels)
	if len(taken) == 0 && row.Shipment != nil {
		taken = []order.Parcel{{Shipment: *row.Shipment}}
	}
	return parcels{taken: taken, recorded: len(taken)}
}

// waitForShipment waits for a shipment or a cancellation. If both are there, the shipment
// wins. From the first parcel on there is no cancellation.
func (o *orderRun) waitForShipment(ctx workflow.Context) error {
	if o.parcels.recorded > 0 {
		return o.waitForParcel(ctx)
	}
	err := workflow.Await(o.stepsCtx, func() bool { return o.parcels.any() || o.continuing })
	if err == nil && o.parcels.any() {
		return nil
	}
	yieldToHandlers(ctx)
	switch {
	case o.parcels.any() && (err == nil || o.follows(ctx, versionYieldToHandlers)):
		return nil
	case o.stepsCtx.Err() != nil:
		return o.stepsCtx.Err()
	default:
		return errContinueAsNew
	}
}

// ship closes the order as shipped. From here on it is too late to cancel it. It is never
// compensated: the parcel has left, so failures are retried until they clear. An order
// whose row has parcels that the run does not know waits for the rest instead.
func (o *orderRun) ship(ctx workflow.Context) error {
	o.setPhase(phaseClosing, order.StatusFulfilling, "")
	ctx = disconnected(ctx)
	var row activities.Fulfillment
	err := o.retryUntilDone(ctx, StepCloseFulfillment, func(ctx workflow.Context) (err error) {
		row, err = o.closeRow(summarized(ctx, "close as shipped"), order.StatusShipped)
		return err
	})
	switch {
	case err != nil:
		return err
	case !row.Status.Final():
		o.logger(ctx).Warn("order cannot be closed as shipped: its row has other parcels")
		return o.followRow(ctx, row)
	}
	return o.applyRow(ctx, row)
}

// closeRow closes the fulfillment in a final status. If the row is already final, it
// returns that row, and the order ends with it.
func (o *orderRun) closeRow(ctx workflow.Context, status order.Status) (row activities.Fulfillment, err error) {
	err = o.execute(ctx, o.do.CloseFulfillment, o.closeInput(status), &row)
	return row, err
}

// undoFulfillment closes the fulfillment as canceled, or finds that it is already final
// in another status.
func (o *orderRun) undoFulfillment(ctx workflow.Context) error {
	o.stopEmails(ctx)
	if ctx.Err() != nil {
		return ctx.Err() // the run continues as new
	}
	row, err := o.closeRow(summarized(ctx, "close as cancelled"), order.StatusCancelled)
	var appErr *temporal.ApplicationError
	if errors.As(err, &appErr) && appErr.Type() == activities.TypeMismatch {
		// The row was written from another order than the one this run was started with,
		// so this run must not close it.
		o.mismatch = appErr
		row, err = activities.Fulfillment{Status: order.StatusCancelled, Reason: order.ReasonFulfillmentFailed}, nil
	}
	if err == nil {
		o.closedAs = row
		o.handOverStopped(ctx)
	}
	return err
}

func (o *orderRun) closeInput(status order.Status) activities.CloseFulfillmentInput {
	in := activities.CloseFulfillmentInput{
		OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Total: o.in.Total, PlacedAt: o.in.PlacedAt, Source: o.in.Source,
		Status: status, Reason: o.state.Reason, Code: o.state.Code, Email: email.Status(o.state.Email),
		Emails: maps.Clone(o.state.Emails),
	}
	if status == order.StatusShipped {
		last := o.parcels.last().Shipment
		in.Shipment = &last
		if len(o.parcels.taken) > 1 {
			in.Parcels = slices.Clone(o.parcels.taken)
		}
	}
	return in
}

// applyRow takes over the stored row, publishes its status, and sends the emails that are
// due for it. Credit that this run reserved for an order whose row was closed without
// being shipped is released first: an earlier run closed the row and was lost before it
// released the credit. Its only error is errContinueAsNew.
func (o *orderRun) applyRow(ctx workflow.Context, row activities.Fulfillment) error {
	if o.state.Credit == order.CreditReserved && row.Status.Final() && row.Status != order.StatusShipped && o.mismatch == nil {
		o.state.Reason = row.Reason
		if err := o.retryUntilDone(disconnected(ctx), StepReleaseCredit, o.undoCredit); err != nil {
			return err
		}
	}
	o.state.Status, o.state.Reason, o.state.Code = row.Status, row.Reason, row.Code
	o.state.Shipment = order.Shipment{}
	if row.Shipment != nil {
		o.state.Shipment = *row.Shipment
	}
	o.state.Parcels = row.Parcels
	if row.Email != "" {
		o.state.Email = string(row.Email)
	}
	if row.Status == order.StatusCancelled && row.Email == email.StatusSuppressed {
		o.noteEmail(email.KindConfirmation, row.Email)
	}
	o.publishStatus(ctx)
	if row.Status.Final() && !o.closedBefore {
		o.logger(ctx).Info("order "+string(row.Status), "reason", row.Reason)
	}
	if row.EmailDue != "" {
		o.send(ctx, row.EmailDue)
	}
	for _, kind := range row.AlsoDue {
		if !o.sends.begun[kind] { // a lost run had begun it, and nothing follows it any more
			o.sends.begun[kind] = true
			o.noteEmail(kind, email.StatusPending)
			o.handOver(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind, Source: o.in.Source})
		}
	}
	return nil
}
