package workflows

import (
	"errors"
	"fmt"
	"slices"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// parcels are the parcels of an order, in the sequence in which they were taken. From the
// first one on the order cannot be canceled. Their number and their lines are bounded by
// order.MaxParcels and order.MaxParcelLines.
type parcels struct {
	quantities []int          // of the order's lines; empty until the fulfillment exists, and in orders of earlier releases
	taken      []order.Parcel // early ones as they were signaled, later ones with all their lines, if quantities has any
	recorded   int            // how many of taken are in the row
	rest       bool           // the last of taken was sent without lines: it contains all that is left
}

// Parcel returns the message as a parcel.
func (m RecordShipment) Parcel() order.Parcel {
	return order.Parcel{Shipment: order.Shipment{Carrier: m.Carrier, TrackingNumber: m.TrackingNumber}, Lines: m.Lines}
}

// shipmentOf returns a parcel as the message that records it.
func shipmentOf(p order.Parcel) *RecordShipment {
	return &RecordShipment{Carrier: p.Carrier, TrackingNumber: p.TrackingNumber, Lines: p.Lines}
}

// any reports whether a parcel of the order has left.
func (p *parcels) any() bool { return len(p.taken) > 0 }

// pending reports whether a parcel waits to be recorded.
func (p *parcels) pending() bool { return len(p.taken) > p.recorded }

// last returns the last parcel that was taken.
func (p *parcels) last() order.Parcel { return p.taken[len(p.taken)-1] }

// left returns what is left of each line of the order.
func (p *parcels) left() []int { return order.Left(p.quantities, p.taken) }

// complete reports whether the first n parcels are all of the order. Without the order's
// quantities they are if one of them ships all that is left.
func (p *parcels) complete(n int) bool {
	if len(p.quantities) == 0 {
		return slices.ContainsFunc(p.taken[:n], func(one order.Parcel) bool { return len(one.Lines) == 0 })
	}
	return n > 0 && !slices.ContainsFunc(order.Left(p.quantities, p.taken[:n]), func(quantity int) bool { return quantity > 0 })
}

// find returns the index of the parcel with a carrier's tracking number, or -1.
func (p *parcels) find(s order.Shipment) int {
	return slices.IndexFunc(p.taken, func(one order.Parcel) bool { return one.Shipment == s })
}

// repeats reports whether a parcel is the one at an index. Without lines it is if it was
// the last one: it shipped all that was left.
func (p *parcels) repeats(index int, again order.Parcel) bool {
	if len(again.Lines) > 0 {
		return p.taken[index].Equal(again)
	}
	return index == len(p.taken)-1 && p.complete(len(p.taken))
}

// take adds a parcel that check accepted. The lines of one without are all that is left.
func (p *parcels) take(one order.Parcel) {
	p.taken, p.rest = append(p.taken, one.WithLines(p.left())), len(one.Lines) == 0
}

// check returns why a further parcel cannot be taken.
func (p *parcels) check(one order.Parcel) error {
	if err := p.checkRoom(one); err != nil || len(one.Lines) == 0 || len(p.quantities) == 0 {
		return err
	}
	left := p.left()
	for i, line := range one.Lines {
		switch {
		case line.Line > len(left):
			return fieldError(lineField(i, "line"), "the order has %d lines", len(left))
		case line.Quantity > left[line.Line-1]:
			return fieldError(lineField(i, "quantity"), "must be at most %d, which is left of line %d", left[line.Line-1], line.Line)
		}
	}
	if with := (parcels{quantities: p.quantities, taken: append(slices.Clone(p.taken), one)}); len(with.taken) == order.MaxParcels &&
		!with.complete(order.MaxParcels) {
		return fieldError("lines", "parcel %d is the last one, which ships all that is left", order.MaxParcels)
	}
	return nil
}

// checkRoom returns an error if an order would have too many parcels, or too many lines of
// parcels.
func (p *parcels) checkRoom(one order.Parcel) error {
	lines := 0
	for _, taken := range append(slices.Clone(p.taken), one) {
		lines += len(taken.Lines)
	}
	switch {
	case len(p.taken) >= order.MaxParcels:
		return fmt.Errorf("the order has %d parcels, and may have no more", order.MaxParcels)
	case len(one.Lines) > 0 && lines > order.MaxParcelLines:
		return fieldError("lines", "an order's parcels may name at most %d lines in all: leave them out to ship all that is left",
			order.MaxParcelLines)
	}
	return nil
}

// checkLines returns an error unless each line of a shipment is one, and another one.
func checkLines(lines []order.ParcelLine) error {
	switch {
	case lines != nil && len(lines) == 0:
		return fieldError("lines", "must not be empty: leave them out to ship all that is left")
	case len(lines) > maxLines:
		return fieldError("lines", "must be at most %d", maxLines)
	}
	seen := make(map[int]bool, len(lines))
	for i, line := range lines {
		switch {
		case line.Line < 1:
			return fieldError(lineField(i, "line"), "must be at least 1")
		case seen[line.Line]:
			return fieldError(lineField(i, "line"), "must not be repeated")
		case line.Quantity < 1:
			return fieldError(lineField(i, "quantity"), "must be at least 1")
		}
		seen[line.Line] = true
	}
	return nil
}

// lineField returns the path of a field of a shipment's line.
func lineField(index int, name string) string { return fmt.Sprintf("lines[%d].%s", index, name) }

// adoptParcels takes over the parcels and the lines of the row. Parcels that were signaled
// before the fulfillment existed, or taken by a run that knew less than the row, follow
// them if they fit. One that was sent without lines contains what is left then.
func (o *orderRun) adoptParcels(ctx workflow.Context, row activities.Fulfillment) {
	before, rest := o.parcels.taken, o.parcels.rest
	o.parcels = parcels{quantities: row.Quantities, taken: slices.Clone(row.Parcels), recorded: len(row.Parcels)}
	for i, p := range before {
		m := *shipmentOf(p)
		if rest && i == len(before)-1 {
			m.Lines = nil
		}
		if err := o.checkShipment(m); err != nil {
			o.dropParcel(m, err)
			o.countUnusable(ctx, RecordShipmentMessage, err)
			continue
		}
		o.takeShipment(m)
	}
}

// dropParcel shows a parcel that was taken and does not fit after all, and keeps the reason
// for its update. The same parcel may be sent again.
func (o *orderRun) dropParcel(m RecordShipment, reason error) {
	o.tooLate = &m
	if o.dropped == nil {
		o.dropped = map[order.Shipment]error{}
	}
	o.dropped[m.Parcel().Shipment] = reason
}

// shipParcels waits for the order's parcels and records each of them, until all that was
// ordered has left.
func (o *orderRun) shipParcels(ctx workflow.Context) error {
	for {
		if err := o.waitForShipment(ctx); err != nil {
			return err
		}
		if o.parcels.complete(o.parcels.recorded + 1) {
			return o.ship(ctx)
		}
		if err := o.recordParcel(ctx); err != nil || o.final() {
			return err
		}
	}
}

// waitForParcel waits for the next parcel of an order of which one has left. No
// cancellation stops it.
func (o *orderRun) waitForParcel(ctx workflow.Context) error {
	// A disconnected context is never canceled, so the wait cannot fail.
	_ = workflow.Await(disconnected(ctx), func() bool { return o.parcels.pending() || o.continuing })
	if o.parcels.pending() {
		return nil
	}
	return errContinueAsNew
}

// recordParcel records the next parcel, and sends the email about it. Like ship, it is
// never compensated.
func (o *orderRun) recordParcel(ctx workflow.Context) error {
	ctx = disconnected(ctx)
	n := o.parcels.recorded + 1
	var row activities.Fulfillment
	err := o.retryUntilDone(ctx, StepRecordParcel, func(ctx workflow.Context) error {
		return o.execute(summarized(ctx, fmt.Sprintf("record parcel %d", n)), o.do.RecordParcel, activities.RecordParcelInput{
			OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Total: o.in.Total, PlacedAt: o.in.PlacedAt, Source: o.in.Source,
			Parcels: slices.Clone(o.parcels.taken[:n]), Email: email.Status(o.state.Email), Emails: o.snapshot().Emails,
		}, &row)
	})
	if err != nil {
		return err
	}
	o.adoptParcels(ctx, row)
	o.logger(ctx).Info("parcel recorded", "parcel", n)
	return o.applyRow(ctx, row)
}

// errParcelLeft stops compensation: a parcel of the order has left.
var errParcelLeft = errors.New("a parcel of the order has left")

// shipRest continues an order that was to be undone, and of which a parcel has left: its
// run was reset to a point before the parcel, or restored without it. The order's credit
// stays reserved.
func (o *orderRun) shipRest(ctx workflow.Context) error {
	o.outcome, o.state.Code = nil, ""
	o.state.Credit = order.CreditReserved
	o.logger(ctx).Warn("order cannot be canceled: a parcel has left")
	return o.followRow(ctx, o.closedAs)
}

// followRow continues an order whose row has parcels that its run does not know, and waits
// for the rest.
func (o *orderRun) followRow(ctx workflow.Context, row activities.Fulfillment) error {
	o.setPhase(phaseFulfilling, order.StatusFulfilling, "")
	o.adoptParcels(ctx, row)
	o.watchShipBy(ctx, row.ShipBy) // the phase before ended the watch
	if err := o.applyRow(disconnected(ctx), row); err != nil {
		return err
	}
	return o.shipParcels(ctx)
}

// parcelSettled reports whether the parcel of an update is recorded, or never will be.
func (o *orderRun) parcelSettled(m RecordShipment) bool {
	return o.final() || o.recordedParcel(m) || o.dropped[m.Parcel().Shipment] != nil
}

func (o *orderRun) recordedParcel(m RecordShipment) bool {
	index := o.parcels.find(m.Parcel().Shipment)
	return index >= 0 && index < o.parcels.recorded
}

func (o *orderRun) parcelOutcome(m RecordShipment) error {
	if reason := o.dropped[m.Parcel().Shipment]; reason != nil {
		return reason
	}
	if o.recordedParcel(m) && o.state.Status == order.StatusFulfilling {
		return nil
	}
	return o.expectStatus(order.StatusShipped)()
}

// cancelSettled reports whether a cancellation has had its effect, or never will have.
func (o *orderRun) cancelSettled(CancelOrder) bool {
	return o.final() || o.phase == phaseFulfilling && o.parcels.recorded > 0
}

// anyMessage returns a function of a message that does not depend on it.
func anyMessage[M Message, R any](f func() R) func(M) R { return func(M) R { return f() } }
