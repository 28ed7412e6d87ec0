package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// reserveCredit asks the customer's account for the order's total. With an operator's id it overrides the rule.
func (o *orderRun) reserveCredit(approvedBy string) (activities.CreditDecision, error) {
	if len(o.compensations) == 0 {
		// Registered before the step, for an attempt that failed may have reserved. The row comes with it whatever was
		// reached: an order that is cancelled must be closed in Postgres too, or a late start could revive it.
		o.onUndo("release credit", o.undoCredit)
		o.onUndo("close the fulfilment", o.undoFulfillment)
	}
	var decision activities.CreditDecision
	err := workflow.ExecuteActivity(storing(o.steps, "reserve "+o.in.Total.String()), o.do.ReserveCredit,
		activities.ReserveCreditInput{
			OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Amount: o.in.Total, Source: o.in.Source, ApprovedBy: approvedBy,
		}).Get(o.steps, &decision)
	if err != nil {
		return decision, err
	}
	o.state.Credit, o.decided = creditWord(decision), decision.Amount
	o.touch(o.steps)
	return decision, nil
}

// hold waits for an operator until the hold's time is over. Both a refusal and the end of the hold close the order in the
// account, so that a later approval finds it closed.
func (o *orderRun) hold(ctx workflow.Context, held activities.CreditDecision) (activities.CreditDecision, error) {
	o.enter(phaseOnHold, order.StatusOnHold, order.Reason(held.Reason))
	o.rest(o.steps)
	wait := workflow.AwaitOptions{
		Timeout:      time.Duration(held.HoldSeconds) * time.Second,
		TimerOptions: workflow.TimerOptions{Summary: "credit hold"},
	}
	decided, err := workflow.AwaitWithOptions(o.steps, wait, func() bool { return o.verdict != nil })
	if err != nil {
		return held, err
	}
	if !decided {
		return o.refuseHeld(ctx, order.ReasonHoldExpired)
	}
	o.verdict.heard = true
	if !o.verdict.approved {
		return o.refuseHeld(ctx, order.ReasonCreditDeclined)
	}
	o.enter(phaseCredit, order.StatusOnHold, "")
	return o.reserveCredit(o.verdict.by)
}

func (o *orderRun) refuseHeld(ctx workflow.Context, reason order.Reason) (activities.CreditDecision, error) {
	o.enter(phaseClosing, order.StatusOnHold, reason)
	ctx = afloat(ctx)
	var decision activities.CreditDecision
	err := workflow.ExecuteActivity(storing(ctx, "end the hold"), o.do.ReleaseCredit, o.release(reason)).Get(ctx, &decision)
	if err != nil {
		return decision, err
	}
	o.state.Credit = order.CreditReleased
	if refusal(decision) == "" {
		o.enter(phaseCredit, order.StatusOnHold, "") // it was paid meanwhile, which needs no credit and beats a refusal
	}
	return decision, nil
}

// refuse closes an order that gets no credit. One that an earlier run of this workflow had undone is cancelled, as it was
// then; all others are rejected, with a mail that says so.
func (o *orderRun) refuse(ctx workflow.Context, reason order.Reason) error {
	o.enter(phaseClosing, o.state.Status, reason)
	switch reason {
	case order.ReasonCancelled, order.ReasonOrderGone, order.ReasonFulfillmentFailed:
		return o.closeAs(storing(afloat(ctx), "close as cancelled"), order.StatusCancelled)
	default:
		return o.closeAs(storing(afloat(ctx), "close as rejected"), order.StatusRejected)
	}
}

func (o *orderRun) release(reason order.Reason) activities.ReleaseCreditInput {
	return activities.ReleaseCreditInput{
		OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Amount: o.in.Total, Source: o.in.Source, Reason: string(reason),
	}
}

// undoCredit closes the order in its customer's account and gives back what it reserved.
func (o *orderRun) undoCredit(ctx workflow.Context) error {
	if o.mismatch != nil && o.decided != o.in.Total {
		return nil // the account decided about another order of this id, whose credit is not ours to give back
	}
	var decision activities.CreditDecision
	summary := fmt.Sprintf("release: %s", o.state.Reason)
	err := workflow.ExecuteActivity(round(ctx, summary), o.do.ReleaseCredit, o.release(o.state.Reason)).Get(ctx, &decision)
	if err != nil {
		return err
	}
	if decision.Amount.Minor > 0 || o.state.Credit == order.CreditHeld {
		o.state.Credit = order.CreditReleased
	}
	return nil
}

// refusal gives the reason an order cannot go on with, empty when it can. An order that was paid needs no credit; one that
// was closed in the account for any other reason stays closed.
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
