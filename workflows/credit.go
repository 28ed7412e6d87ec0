package workflows

import (
	"fmt"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// obtainCredit returns the decision about the order's credit. It continues where an
// earlier run left off.
func (o *orderRun) obtainCredit(ctx workflow.Context) (activities.CreditDecision, error) {
	switch {
	case o.phase == phaseOnHold:
		return o.hold(ctx)
	case o.phase == phaseClosing && o.state.Status == order.StatusOnHold:
		return o.refuseHeld(ctx, o.state.Reason)
	case o.phase == phaseCredit && o.approval != nil && (o.holdEnd == holdApproved || o.rules < rulesLocal):
		return o.reserveCredit(o.approval.By, true)
	}
	decision, err := o.reserveCredit("", false)
	if err != nil || decision.Verdict != credit.VerdictHeld {
		return decision, err
	}
	o.holdUntil = endOfHold(decision, workflow.Now(ctx))
	o.state.HoldUntil = o.holdUntil.UTC()
	o.setPhase(phaseOnHold, order.StatusOnHold, order.Reason(decision.Reason))
	o.publishStatus(o.stepsCtx)
	return o.hold(ctx)
}

// endOfHold returns when the hold of a held order ends. Earlier versions recorded how
// long it was to last from the decision on.
func endOfHold(held activities.CreditDecision, now time.Time) time.Time {
	if held.HoldUntil.IsZero() {
		return now.Add(time.Duration(held.HoldSeconds) * time.Second)
	}
	return held.HoldUntil
}

// reserveCredit reserves the order's total on the customer's account, or returns the
// decision made there before. If approvedBy is an operator's id, the reservation overrides
// the credit limit. onHold means that the order was on hold.
func (o *orderRun) reserveCredit(approvedBy string, onHold bool) (activities.CreditDecision, error) {
	var decision activities.CreditDecision
	err := o.retryUntilPrevented(StepReserveCredit, func(ctx workflow.Context) error {
		in := activities.ReserveCreditInput{
			OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Amount: o.in.Total, Source: o.in.Source, ApprovedBy: approvedBy,
		}
		ctx = summarized(ctx, "reserve "+o.in.Total.String())
		if !onHold {
			return o.execute(ctx, o.do.ReserveCredit, in, &decision)
		}
		// The end of the hold has to be in the history before its effects. Otherwise, if this
		// workflow task is lost after the order was started, a decline could still win.
		return workflow.ExecuteActivity(workflow.WithPriority(ctx, temporal.Priority{PriorityKey: priorityProceed}), o.do.ReserveCredit, in).Get(ctx, &decision)
	})
	if err != nil {
		return decision, err
	}
	o.state.Credit, o.decided = creditStatus(decision), decision.Amount
	o.logger(o.stepsCtx).Info("credit "+string(o.state.Credit), "reason", decision.Reason)
	o.showProgress(o.stepsCtx)
	return decision, nil
}

// hold waits for an operator's decision until the hold ends. A decline and an expired
// hold both close the order in the account, so that a later approval finds it closed.
func (o *orderRun) hold(ctx workflow.Context) (activities.CreditDecision, error) {
	end, err := o.awaitHoldEnd(ctx)
	if err != nil {
		return activities.CreditDecision{}, err
	}
	if end == holdReviewed {
		return o.lookAgain(ctx)
	}
	return o.endHold(ctx, end)
}

// endHold ends the hold otherwise than by a review.
func (o *orderRun) endHold(ctx workflow.Context, end holdEnd) (activities.CreditDecision, error) {
	o.state.HoldUntil = time.Time{}
	switch o.holdEnd = end; end {
	case holdExpired:
		return o.refuseHeld(ctx, order.ReasonHoldExpired)
	case holdDeclined:
		return o.refuseHeld(ctx, order.ReasonCreditDeclined)
	case holdCanceled:
		return activities.CreditDecision{}, o.stepsCtx.Err()
	default:
		o.setPhase(phaseCredit, order.StatusOnHold, "")
		return o.reserveCredit(o.approval.By, true)
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
	holdReviewed holdEnd = "reviewed" // the account has reserved its credit
)

// awaitHoldEnd waits until the hold ends. The timer may fire in the same workflow task in
// which messages arrive. All of them count, and the safer one wins: cancel over decline
// over approve. A review ends a hold that nothing else ended.
func (o *orderRun) awaitHoldEnd(ctx workflow.Context) (holdEnd, error) {
	wait := workflow.AwaitOptions{
		Timeout:      max(o.holdUntil.Sub(workflow.Now(ctx)), 0),
		TimerOptions: workflow.TimerOptions{Summary: "credit hold"},
	}
	met, err := workflow.AwaitWithOptions(o.stepsCtx, wait, func() bool {
		return o.approval != nil || o.decline != nil || o.reviewed || o.continuing
	})
	before, shipments := o.legacyHoldEnd(met, err), len(o.parcels.taken)
	yieldToHandlers(ctx)
	end := o.holdEndFromMessages()
	if end == holdOpen && !met {
		end = holdExpired
	}
	if end != before && !o.follows(ctx, versionMessagesFirst) {
		if end = before; end == holdExpired {
			o.dropMessages(ctx, shipments)
		}
	}
	if end == holdOpen {
		return end, errContinueAsNew
	}
	return end, nil
}

// holdEndFromMessages returns how the messages received so far end the hold.
func (o *orderRun) holdEndFromMessages() holdEnd {
	switch {
	case o.stepsCtx.Err() != nil:
		return holdCanceled
	case o.decline != nil:
		return holdDeclined
	case o.approval != nil:
		return holdApproved
	case o.reviewed:
		return holdReviewed
	default:
		return holdOpen
	}
}

// legacyHoldEnd returns how the hold ended in runs recorded before versionMessagesFirst.
// They considered only what the order saw before its handlers ran, and the first decision
// won. An approval is not accepted after a decline, so if there are both, the approval
// was first.
func (o *orderRun) legacyHoldEnd(met bool, err error) holdEnd {
	switch {
	case err != nil:
		return holdCanceled
	case !met:
		return holdExpired
	case o.approval != nil:
		return holdApproved
	case o.decline != nil:
		return holdDeclined
	case o.reviewed:
		return holdReviewed
	default:
		return holdOpen
	}
}

// dropMessages restores the state of a recorded run whose hold expired: that run had
// rejected the messages of the workflow task in which the hold ended.
func (o *orderRun) dropMessages(ctx workflow.Context, shipments int) {
	if o.cancel != nil {
		o.cancel = nil
		o.stepsCtx, o.cancelSteps = workflow.WithCancel(ctx)
	}
	if taken := o.parcels.taken; len(taken) > shipments {
		o.parcels.taken, o.tooLate = taken[:shipments], shipmentOf(taken[shipments])
	}
	o.approval, o.decline = nil, nil
}

// refuseHeld ends the hold in the account. It continues even if the order is canceled
// meanwhile. An order that the account has reserved was reserved by a review that this run
// has not heard of, or approved by a run that is gone, because the workflow was reset or
// Temporal was restored from a backup. It may have shipped, so the account keeps its
// reservation. After the end of the hold it continues. After a decline its row is closed
// first, which shows whether it has gone on.
func (o *orderRun) refuseHeld(ctx workflow.Context, reason order.Reason) (activities.CreditDecision, error) {
	o.setPhase(phaseClosing, order.StatusOnHold, reason)
	var decision activities.CreditDecision
	err := o.retryUntilDecided(disconnected(ctx), StepReleaseCredit, func(ctx workflow.Context) error {
		in := o.releaseInput(reason)
		in.HeldOnly = true
		return o.execute(summarized(ctx, "end the hold"), o.do.ReleaseCredit, in, &decision)
	})
	if err != nil {
		return decision, err
	}
	o.state.Credit = creditStatus(decision)
	o.logger(ctx).Info("hold ended", "reason", reason, "credit", o.state.Credit)
	if decision.Verdict == credit.VerdictReserved && reason == order.ReasonCreditDeclined &&
		workflow.GetVersion(ctx, versionDeclineReserved, workflow.DefaultVersion, 1) == 1 {
		decision.Verdict, decision.Reason = credit.VerdictRefused, string(reason) // applyRow releases it
		return decision, nil
	}
	if refusalReason(decision) == "" {
		// It was approved, or paid meanwhile: it needs no credit, which overrides a refusal.
		o.setPhase(phaseCredit, order.StatusOnHold, "")
	}
	return decision, nil
}

// refuse closes an order that gets no credit. An order that an earlier run of this
// workflow had undone is closed as canceled again; all others are rejected, with an
// email. A row that is being fulfilled cannot be rejected: that error undoes the order.
func (o *orderRun) refuse(ctx workflow.Context, reason order.Reason) error {
	o.refusing = true
	o.setPhase(phaseClosing, o.state.Status, reason)
	status, summary := order.StatusRejected, "close as rejected"
	switch reason {
	case order.ReasonCancelled, order.ReasonOrderGone, order.ReasonFulfillmentFailed:
		status, summary = order.StatusCancelled, "close as cancelled"
	}
	ctx = disconnected(ctx)
	var row activities.Fulfillment
	err := o.retryUntilDecided(ctx, StepCloseFulfillment, func(ctx workflow.Context) (err error) {
		row, err = o.closeRow(summarized(ctx, summary), status)
		return err
	})
	if err != nil {
		return err
	}
	return o.applyRow(ctx, row)
}

func (o *orderRun) releaseInput(reason order.Reason) activities.ReleaseCreditInput {
	in := activities.ReleaseCreditInput{
		OrderID: o.in.OrderID, CustomerID: o.in.CustomerID, Amount: o.in.Total, Source: o.in.Source, Reason: string(reason),
	}
	if reason == order.ReasonCreditDeclined && o.decline != nil {
		in.DeclinedBy = o.decline.By
	}
	return in
}

// undoCredit closes the order in its customer's account and releases what it reserved.
func (o *orderRun) undoCredit(ctx workflow.Context) error {
	if o.mismatch != nil && o.decided != o.in.Total {
		return nil // the account decided about another order with this id: do not release that order's credit
	}
	var decision activities.CreditDecision
	ctx = summarized(ctx, fmt.Sprintf("release: %s", o.state.Reason))
	if err := o.execute(ctx, o.do.ReleaseCredit, o.releaseInput(o.state.Reason), &decision); err != nil {
		return err
	}
	if decision.Amount.Minor > 0 || o.state.Credit == order.CreditHeld {
		o.state.Credit = order.CreditReleased
		o.logger(ctx).Info("credit released", "reason", o.state.Reason)
	}
	return nil
}

// refusalReason returns the reason why an order cannot proceed, or "" if it can. An order
// that was paid needs no credit. An order that was closed in the account for any other
// reason stays closed.
func refusalReason(d activities.CreditDecision) order.Reason {
	if d.Verdict == credit.VerdictReserved || d.Verdict == credit.VerdictReleased && d.Reason == credit.ReasonPaid {
		return ""
	}
	return order.Reason(d.Reason)
}

func creditStatus(d activities.CreditDecision) order.Credit {
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
