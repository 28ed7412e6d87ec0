package workflows

import (
	"errors"
	"fmt"
	"slices"

	"orderflow/internal/order"
)

var (
	errNothingToShip = errors.New("the order has no fulfillment yet: nothing to ship")
	errNotOnHold     = errors.New("the order is not on hold")
	errNotOnHoldYet  = errors.New("the order is not on hold yet: its credit is being checked")
)

func (o *orderRun) statusError(status order.Status) error {
	return fmt.Errorf("the order is %s", status)
}

func (o *orderRun) final() bool { return o.state.Status.Final() }

// decisionMade reports whether an approval or a decline has had its effect.
func (o *orderRun) decisionMade() bool { return o.final() || o.state.Status == order.StatusFulfilling }

// expectStatus returns a function that returns an error unless the order's status is one
// of want.
func (o *orderRun) expectStatus(want ...order.Status) func() error {
	return func() error {
		if o.mismatch != nil {
			return o.mismatch
		}
		if !slices.Contains(want, o.state.Status) {
			return o.statusError(o.state.Status)
		}
		return nil
	}
}

// checkCancel returns an error once the order ships or is refused. A repeated
// cancellation is accepted and has no effect.
func (o *orderRun) checkCancel(CancelOrder) error {
	switch {
	case o.phase == phaseUndoing && o.state.Reason == order.ReasonCancelled:
		return nil
	case o.state.Status == order.StatusFulfilling && o.parcels.any():
		return errors.New("the order is shipping")
	case o.phase == phaseClosing, o.phase == phaseUndoing, o.final():
		return o.statusError(o.state.Status)
	}
	return nil
}

func (o *orderRun) takeCancel(m CancelOrder) {
	if o.phase == phaseUndoing || o.cancel != nil {
		return
	}
	o.cancel = &m
	o.cancelSteps()
}

// checkShipment returns an error unless the fulfillment exists, compensation has not begun,
// and what the parcel contains is left of the order. The same parcel again is accepted; a
// different one with its carrier and tracking number is rejected.
func (o *orderRun) checkShipment(m RecordShipment) error {
	parcel, p := m.Parcel(), &o.parcels
	index := p.find(parcel.Shipment)
	switch {
	case index < 0 && p.complete(len(p.taken)):
		return fmt.Errorf("the order ships with %s %s", p.last().Carrier, p.last().TrackingNumber)
	case index >= 0 && !p.repeats(index, parcel):
		return fieldError("lines", "%s %s is a parcel of the order with other lines", m.Carrier, m.TrackingNumber)
	case index >= 0 && o.phase != phaseUndoing:
		return nil
	case o.phase == phaseCredit, o.phase == phaseOnHold:
		return errNothingToShip
	case o.phase != phaseFulfilling:
		return o.statusError(o.state.Status)
	case len(m.Lines) > 0 && len(p.quantities) == 0:
		return fieldError("lines", "the order was started by a release without parcels: leave them out to ship it as a whole")
	}
	return p.check(parcel)
}

func (o *orderRun) takeShipment(m RecordShipment) {
	parcel := m.Parcel()
	if o.parcels.find(parcel.Shipment) < 0 {
		o.parcels.take(parcel)
	}
	delete(o.dropped, parcel.Shipment)
	if o.tooLate != nil && o.tooLate.Parcel().Shipment == parcel.Shipment {
		o.tooLate = nil
	}
}

// keepShipment keeps a shipment that was signaled before there was anything to ship, and
// records one that came too late, so that it is shown. It reports whether the shipment
// was kept.
func (o *orderRun) keepShipment(m RecordShipment, err error) bool {
	if errors.Is(err, errNothingToShip) && o.parcels.check(m.Parcel()) == nil {
		o.parcels.take(m.Parcel())
		return true
	}
	o.tooLate = &m
	return false
}

// unusedShipment returns a shipment that was signaled although the order did not end as
// shipped: it came too late, or the order ended before using it. It returns nil if there
// is none. An operator may have to recover a parcel, so it stays visible.
func (o *orderRun) unusedShipment() *RecordShipment {
	if o.tooLate == nil && o.final() && o.state.Status != order.StatusShipped && o.parcels.any() {
		return shipmentOf(o.parcels.last())
	}
	return o.tooLate
}

var errDecided = errors.New("the order's credit is already decided")

// checkApproval returns an error unless the order is on hold and not decided. The same
// approval again is accepted.
func (o *orderRun) checkApproval(m ApproveCredit) error {
	switch {
	case o.holdEnd == holdApproved && o.approval != nil && o.approval.By == m.By:
		return nil
	case o.holdMayBegin():
		return errNotOnHoldYet
	case o.phase != phaseOnHold:
		return errNotOnHold
	case o.approval != nil, o.decline != nil:
		return errDecided
	}
	return nil
}

// checkDecline accepts a decline also after an approval that has not had its effect: the
// safer of the two wins. The same decline again is accepted.
func (o *orderRun) checkDecline(m DeclineCredit) error {
	switch {
	case o.holdEnd == holdDeclined && o.decline != nil && o.decline.By == m.By:
		return nil
	case o.holdMayBegin():
		return errNotOnHoldYet
	case o.phase != phaseOnHold:
		return errNotOnHold
	case o.decline != nil:
		return errDecided
	}
	return nil
}

// takeApproval keeps who decided and drops the note, which erase could not reach.
func (o *orderRun) takeApproval(m ApproveCredit) { o.approval = &ApproveCredit{By: m.By} }

func (o *orderRun) takeDecline(m DeclineCredit) { o.decline = &DeclineCredit{By: m.By} }

// keepApproval keeps an approval that was signaled before the hold, which a reset puts
// there, until the hold begins. It reports whether the approval was kept.
func (o *orderRun) keepApproval(m ApproveCredit, _ error) bool {
	keep := o.beforeHold() && o.approval == nil && o.decline == nil
	if keep {
		o.takeApproval(m)
	}
	return keep
}

// keepDecline keeps a decline like keepApproval.
func (o *orderRun) keepDecline(m DeclineCredit, _ error) bool {
	keep := o.beforeHold() && o.decline == nil
	if keep {
		o.takeDecline(m)
	}
	return keep
}

// holdMayBegin reports whether the account has not decided yet, so that the order may come
// on hold.
func (o *orderRun) holdMayBegin() bool { return o.phase == phaseCredit && o.holdEnd == holdOpen }

// beforeHold reports whether a hold may still begin, in a run that keeps decisions for it.
func (o *orderRun) beforeHold() bool { return o.rules >= rulesLocal && o.holdMayBegin() }
