package workflows

import (
	"errors"
	"fmt"
	"slices"

	"orderflow/internal/order"
)

var (
	errNothingToShip = errors.New("the order has no fulfilment yet: nothing to ship")
	errNotOnHold     = errors.New("the order is not on hold")
)

func (o *orderRun) is(status order.Status) error { return fmt.Errorf("the order is %s", status) }

func (o *orderRun) final() bool { return o.state.Status.Final() }

// decisionMade is when an approval or a refusal has had its effect.
func (o *orderRun) decisionMade() bool { return o.final() || o.state.Status == order.StatusFulfilling }

// ended refuses an update whose order came to another end than the one it asked for.
func (o *orderRun) ended(want ...order.Status) func() error {
	return func() error {
		if o.mismatch != nil {
			return o.mismatch
		}
		if !slices.Contains(want, o.state.Status) {
			return o.is(o.state.Status)
		}
		return nil
	}
}

// mayCancel takes a cancellation until the order ships or is refused. Cancelling twice is cancelling once.
func (o *orderRun) mayCancel(CancelOrder) error {
	switch {
	case o.phase == phaseUndoing && o.state.Reason == order.ReasonCancelled:
		return nil
	case o.state.Status == order.StatusFulfilling && o.shipment != nil:
		return errors.New("the order is shipping")
	case o.phase == phaseClosing, o.phase == phaseUndoing, o.final():
		return o.is(o.state.Status)
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

// mayShip takes a shipment from the moment the fulfilment exists until compensation has begun. The same shipment again is
// no news; another one is refused.
func (o *orderRun) mayShip(m RecordShipment) error {
	switch {
	case o.shipment != nil && *o.shipment != m:
		return fmt.Errorf("the order ships with %s %s", o.shipment.Carrier, o.shipment.TrackingNumber)
	case o.shipment != nil && o.phase != phaseUndoing:
		return nil
	case o.phase == phaseCredit, o.phase == phaseOnHold:
		return errNothingToShip
	case o.phase != phaseFulfilling:
		return o.is(o.state.Status)
	}
	return nil
}

func (o *orderRun) takeShipment(m RecordShipment) { o.shipment = &m }

// keepShipment remembers a shipment that was signalled before there was anything to ship, and shows one that came too late.
func (o *orderRun) keepShipment(m RecordShipment, err error) bool {
	if errors.Is(err, errNothingToShip) {
		o.shipment = &m
		return true
	}
	o.tooLate = &m
	return false
}

// unusedShipment is a shipment that somebody signalled and the order came to another end than: it came too late, or was
// remembered in vain. Somebody may have to fetch a parcel back, so it stays visible.
func (o *orderRun) unusedShipment() *RecordShipment {
	if o.tooLate == nil && o.final() && o.state.Status != order.StatusShipped {
		return o.shipment
	}
	return o.tooLate
}

var errDecided = errors.New("the order's credit is already decided")

func (o *orderRun) mayApprove(ApproveCredit) error {
	switch {
	case o.phase != phaseOnHold:
		return errNotOnHold
	case o.approval != nil, o.refusal != nil:
		return errDecided
	}
	return nil
}

// mayDecline takes a refusal also after an approval that has not had its effect: the safer of the two wins.
func (o *orderRun) mayDecline(DeclineCredit) error {
	switch {
	case o.phase != phaseOnHold:
		return errNotOnHold
	case o.refusal != nil:
		return errDecided
	}
	return nil
}

// takeApproval keeps who decided and forgets the note, which erase could not reach.
func (o *orderRun) takeApproval(m ApproveCredit) { o.approval = &ApproveCredit{By: m.By} }

func (o *orderRun) takeRefusal(m DeclineCredit) { o.refusal = &DeclineCredit{By: m.By} }
