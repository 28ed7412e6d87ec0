package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// ReviewSignal tells an order on hold to look at its account's decision again: a review has
// reserved its credit. Its payload is ignored. CreditReview sends it.
const ReviewSignal = "review-credit"

// acceptReviews starts acting on ReviewSignal, in the background.
func (o *orderRun) acceptReviews(ctx workflow.Context) {
	signals := workflow.GetSignalChannelWithOptions(ctx, ReviewSignal,
		workflow.SignalChannelOptions{Description: "Look at the account's decision again: credit was freed."})
	workflow.GoNamed(ctx, ReviewSignal, func(ctx workflow.Context) {
		for {
			var raw converter.RawValue
			signals.Receive(ctx, &raw)
			o.noteReview(ctx)
		}
	})
	o.drains = append(o.drains, func(ctx workflow.Context) {
		var raw converter.RawValue
		for signals.ReceiveAsync(&raw) {
			o.noteReview(ctx)
		}
	})
}

// noteReview notes a review until the order is on hold and has looked. It may come before
// the order itself knows that it is on hold. An order that is past its hold needs none. A
// signal that an earlier version has ignored stays without effect; each signal is a change
// id of its own.
func (o *orderRun) noteReview(ctx workflow.Context) {
	if o.phase != phaseOnHold && !o.holdMayBegin() {
		return
	}
	change := versionReview
	if o.reviews++; o.reviews > 1 {
		change = fmt.Sprintf("%s-%d", versionReview, o.reviews)
	}
	if workflow.GetVersion(ctx, change, workflow.DefaultVersion, 1) == 1 {
		o.reviewed = true
	}
}

// lookAgain asks the account again, and continues the hold if it still holds the order.
// Until then the hold may begin again: decisions are kept for it. If the credit is reserved,
// a decline still wins, and an approval has no effect.
func (o *orderRun) lookAgain(ctx workflow.Context) (activities.CreditDecision, error) {
	reason := o.state.Reason
	o.reviewed = false // a review that comes from now on counts again
	o.setPhase(phaseCredit, order.StatusOnHold, reason)
	decision, err := o.reserveCredit("", true)
	switch {
	case err != nil:
		o.reviewed = true // for the next run
		return decision, err
	case decision.Verdict == credit.VerdictHeld:
		o.setPhase(phaseOnHold, order.StatusOnHold, reason)
		return o.hold(ctx)
	}
	yieldToHandlers(ctx)
	if decision.Verdict == credit.VerdictReserved && o.decline != nil {
		return o.endHold(ctx, holdDeclined)
	}
	o.holdEnd, o.state.HoldUntil = holdReviewed, time.Time{}
	o.setPhase(phaseCredit, order.StatusOnHold, "")
	return decision, nil
}
