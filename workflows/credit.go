package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// obtainCredit brings the order to a decision about its credit, from wherever an earlier run left off.
func (o *orderRun) obtainCredit(ctx workflow.Context) (activities.CreditDecision, error) {
	switch {
	case o.phase == phaseOnHold:
		return o.hold(ctx)
	case o.phase == phaseClosing && o.state.Status == order.StatusOnHold:
		return o.refuseHeld(ctx, o.state.Reason)
	case o.phase == phaseCredit && o.approval != nil:
		return o.reserveCredit(o.approval.By)
	}
	decision, err := o.reserveCredit("")
	if err != nil || decision.Verdict != credit.VerdictHeld {
		return decision, err
	}
	o.holdUntil = endOfHold(decision, workflow.Now(ctx))
	o.enter(phaseOnHold, order.StatusOnHold, order.Reason(decision.Reason))
	o.rest(o.steps)
	return o.hold(ctx)
}

// endOfHold returns when the hold of a held order ends. Earlier versions recorded how long it was to last from now on.
func endOfHold(held activities.CreditDecision, now time.Time) time.Time {
	if held.HoldUntil.IsZero() {
		return now.Add(time.Duration(held.HoldSeconds) * time.Second)
	}
	return held.HoldUntil
}

// reserveCredit asks the customer's account for the order's total. With an operator's id it overrides the rule.
func (o *orderRun) reserveCredit(approvedBy string) (activities.CreditDecision, error) {
	var decision activities.CreditDecision
	err := o.untilDecided(o.steps, StepReserveCredit, func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(summarized(ctx, "reserve "+o.in.Total.String()), o.do.ReserveCredit,
			activities.ReserveCreditInput{
				OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Amount: o.in.Total, Source: o.in.Source, ApprovedBy: approvedBy,
			}).Get(ctx, &decision)
	})
	if err != nil {
		return decision, err
	}
	o.state.Credit, o.decided = creditWord(decision), decision.Amount
	o.showProgress(o.steps)
	return decision, nil
}

// hold waits for an operator until the hold ends. Both a refusal and the end of the hold close the order in the account,
// so that a later approval finds it closed.
func (o *orderRun) hold(ctx workflow.Context) (activities.CreditDecision, error) {
	end, err := o.awaitHoldEnd(ctx)
	if err != nil {
		return activities.CreditDecision{}, err
	}
	switch o.holdEnd = end; end {
	case holdExpired:
		return o.refuseHeld(ctx, order.ReasonHoldExpired)
	case holdDeclined:
		return o.refuseHeld(ctx, order.ReasonCreditDeclined)
	case holdCanceled:
		return activities.CreditDecision{}, o.steps.Err()
	default:
		o.enter(phaseCredit, order.StatusOnHold, "")
		return o.reserveCredit(o.approval.By)
	}
}

// holdEnd is how a hold ended.
type holdEnd string

const (
	holdOpen     holdEnd = "" // it has not ended
	holdExpired  holdEnd = "expired"
	holdApproved holdEnd = "approved"
	holdDeclined holdEnd = "declined"
	holdCanceled holdEnd = "canceled"
)

// awaitHoldEnd waits until the hold ends. The timer may fire in the same workflow task in which messages came. All of
// them count, and the safer one wins: cancel over decline over approve.
func (o *orderRun) awaitHoldEnd(ctx workflow.Context) (holdEnd, error) {
	wait := workflow.AwaitOptions{
		Timeout:      max(o.holdUntil.Sub(workflow.Now(ctx)), 0),
		TimerOptions: workflow.TimerOptions{Summary: "credit hold"},
	}
	met, err := workflow.AwaitWithOptions(o.steps, wait, func() bool {
		return o.approval != nil || o.refusal != nil || o.continuing
	})
	before, shipment := o.earlierHoldEnd(met, err), o.shipment
	yieldToHandlers(ctx)
	end := o.heldMessage()
	if end == holdOpen && !met {
		end = holdExpired
	}
	if end != before && workflow.GetVersion(ctx, versionMessagesFirst, workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		if end = before; end == holdExpired {
			o.forgetMessages(ctx, shipment)
		}
	}
	if end == holdOpen {
		return end, errContinueAsNew
	}
	return end, nil
}

// heldMessage returns what the messages that have come make of the hold.
func (o *orderRun) heldMessage() holdEnd {
	switch {
	case o.steps.Err() != nil:
		return holdCanceled
	case o.refusal != nil:
		return holdDeclined
	case o.approval != nil:
		return holdApproved
	default:
		return holdOpen
	}
}

// earlierHoldEnd returns how runs ended the hold that were recorded before versionMessagesFirst: by what the order saw
// before its handlers had their turn, and the first decision won. A refusal is only taken after an approval, so the
// approval was the first where there are both.
func (o *orderRun) earlierHoldEnd(met bool, err error) holdEnd {
	switch {
	case err != nil:
		return holdCanceled
	case !met:
		return holdExpired
	case o.approval != nil:
		return holdApproved
	case o.refusal != nil:
		return holdDeclined
	default:
		return holdOpen
	}
}

// forgetMessages brings a recorded run whose hold expired to where it was: it had refused the messages of that task.
func (o *orderRun) forgetMessages(ctx workflow.Context, shipment *RecordShipment) {
	if o.cancel != nil {
		o.cancel = nil
		o.steps, o.cancelSteps = workflow.WithCancel(ctx)
	}
	if o.shipment != shipment {
		o.shipment, o.tooLate = shipment, o.shipment
	}
	o.approval, o.refusal = nil, nil
}

// refuseHeld ends the hold in the account. It goes on even when the order is canceled meanwhile.
func (o *orderRun) refuseHeld(ctx workflow.Context, reason order.Reason) (activities.CreditDecision, error) {
	o.enter(phaseClosing, order.StatusOnHold, reason)
	var decision activities.CreditDecision
	err := o.untilDecided(disconnected(ctx), StepReleaseCredit, func(ctx workflow.Context) error {
		return workflow.ExecuteActivity(summarized(ctx, "end the hold"), o.do.ReleaseCredit, o.release(reason)).Get(ctx, &decision)
	})
	if err != nil {
		return decision, err
	}
	o.state.Credit = order.CreditReleased
	if refusal(decision) == "" {
		o.enter(phaseCredit, order.StatusOnHold, "") // it was paid meanwhile, which needs no credit and beats a refusal
	}
	return decision, nil
}

// refuse closes an order that gets no credit. One that an earlier run of this workflow had undone is canceled, as it was
// then; all others are rejected, with an email that says so.
func (o *orderRun) refuse(ctx workflow.Context, reason order.Reason) error {
	o.refusing = true
	o.enter(phaseClosing, o.state.Status, reason)
	status, summary := order.StatusRejected, "close as rejected"
	switch reason {
	case order.ReasonCancelled, order.ReasonOrderGone, order.ReasonFulfillmentFailed:
		status, summary = order.StatusCancelled, "close as cancelled"
	}
	ctx = disconnected(ctx)
	var row activities.Fulfillment
	err := o.untilDecided(ctx, StepCloseFulfillment, func(ctx workflow.Context) (err error) {
		row, err = o.closeRow(summarized(ctx, summary), status)
		return err
	})
	if err != nil {
		return err
	}
	return o.adopt(ctx, row)
}

func (o *orderRun) release(reason order.Reason) activities.ReleaseCreditInput {
	in := activities.ReleaseCreditInput{
		OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Amount: o.in.Total, Source: o.in.Source, Reason: string(reason),
	}
	if reason == order.ReasonCreditDeclined && o.refusal != nil {
		in.DeclinedBy = o.refusal.By
	}
	return in
}

// undoCredit closes the order in its customer's account and gives back what it reserved.
func (o *orderRun) undoCredit(ctx workflow.Context) error {
	if o.mismatch != nil && o.decided != o.in.Total {
		return nil // the account decided about another order of this id, whose credit is not ours to give back
	}
	var decision activities.CreditDecision
	ctx = summarized(ctx, fmt.Sprintf("release: %s", o.state.Reason))
	if err := workflow.ExecuteActivity(ctx, o.do.ReleaseCredit, o.release(o.state.Reason)).Get(ctx, &decision); err != nil {
		return err
	}
	if decision.Amount.Minor > 0 || o.state.Credit == order.CreditHeld {
		o.state.Credit = order.CreditReleased
	}
	return nil
}

// refusal returns the reason an order cannot go on with, empty when it can. An order that was paid needs no credit; one
// that was closed in the account for any other reason stays closed.
func refusal(d activities.CreditDecision) order.Reason {
	if d.Verdict == credit.VerdictReserved || d.Verdict == credit.VerdictReleased && d.Reason == credit.ReasonPaid {
		return ""
	}
	return order.Reason(d.Reason)
}

func creditWord(d activities.CreditDecision) order.Credit {
	switch d.Verdict {
	case credit.VerdictReserved:
		return order.CreditReserved
	case credit.VerdictHeld:
		return order.CreditHeld
	case credit.VerdictReleased:
		return order.CreditReleased
	default:
		return order.CreditRefused
	}
}
