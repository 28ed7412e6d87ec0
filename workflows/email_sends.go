package workflows

import (
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/email"
)

// sends are the emails that a run sends. They run concurrently with the order and never
// delay it.
type sends struct {
	open   map[email.Kind]bool
	begun  map[email.Kind]bool // by this run
	newest email.Kind
	stop   []workflow.CancelFunc

	stopped   []email.Kind          // stopped before their outcome was known
	handOvers map[string]EmailInput // by workflow id: to be started
	starting  map[string]bool       // by workflow id: being started
}

func newSends() sends {
	return sends{
		open: map[email.Kind]bool{}, begun: map[email.Kind]bool{}, handOvers: map[string]EmailInput{}, starting: map[string]bool{},
	}
}

func (s *sends) settled() bool { return len(s.open) == 0 }

// left reports whether there are pending hand-overs that are not already being started.
func (s *sends) left() bool { return len(s.handOvers) > len(s.starting) }

// send starts sending an email. A cancellation of the order does not stop it; only
// stopEmails does.
func (o *orderRun) send(ctx workflow.Context, kind email.Kind) {
	ctx, stop := workflow.WithCancel(disconnected(ctx))
	o.sends.stop = append(o.sends.stop, stop)
	o.sends.open[kind], o.sends.begun[kind] = true, true
	o.sends.newest = kind
	o.setEmailStatus(ctx, kind, email.StatusPending)
	m := emailSend{
		orderID: o.in.OrderID, source: o.in.Source, kind: kind, options: emailOptions, settling: boundedSettleOptions,
		note: func(s email.Status) { o.setEmailStatus(ctx, kind, s) },
	}
	// The first attempt is scheduled here and not in the coroutine, so that it shares the
	// order's workflow task.
	attempt := m.attempt(ctx)
	workflow.GoNamed(ctx, emailSummary(kind), func(ctx workflow.Context) {
		defer delete(o.sends.open, kind)
		unsettled, err := m.follow(ctx, attempt)
		switch {
		case err == nil:
		case unsettled != nil:
			o.noteEmail(kind, unsettled.Status) // known here, whatever the ledger says later
			o.handOverOutcome(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind, Outcome: unsettled, Source: o.in.Source})
		case ctx.Err() != nil:
			o.sends.stopped = append(o.sends.stopped, kind)
		case isPermanent(err):
			o.logger(ctx).Error("email cannot be sent", "kind", kind, "error", err)
		default:
			o.handOver(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind, Source: o.in.Source})
		}
	})
}

// handOver starts a separate workflow for an email that the order no longer waits for. A
// run that cannot start it, and has not ended, continues as new with it.
func (o *orderRun) handOver(ctx workflow.Context, in EmailInput) {
	id := in.workflowID()
	o.sends.handOvers[id] = in
	o.sends.starting[id] = true
	defer delete(o.sends.starting, id)
	for {
		err := o.retryUntilDone(disconnected(ctx), StepHandOverEmail, func(ctx workflow.Context) error { return startEmail(ctx, in) })
		switch {
		case err == nil:
			delete(o.sends.handOvers, id)
			return
		case !o.finishing:
			o.continuing = true
			return
		}
	}
}

// handOverOutcome hands over the outcome of an attempt. While the order is being undone
// it only records it, because an email that was not sent could otherwise go out before
// the order's row is closed. handOverStopped or awaitEmails hands it over.
func (o *orderRun) handOverOutcome(ctx workflow.Context, in EmailInput) {
	if o.phase == phaseUndoing {
		o.sends.handOvers[in.workflowID()] = in
		return
	}
	o.handOver(ctx, in)
}

// handOverLeft starts the pending hand-overs that are not already being started.
func (o *orderRun) handOverLeft(ctx workflow.Context) {
	for _, id := range sortedKeys(o.sends.handOvers) {
		if in, left := o.sends.handOvers[id]; left && !o.sends.starting[id] {
			o.handOver(ctx, in)
		}
	}
}

// startEmail starts the workflow of an email. It returns nil if there is one already.
func startEmail(ctx workflow.Context, in EmailInput) error {
	ctx = workflow.WithChildOptions(disconnected(ctx), workflow.ChildWorkflowOptions{
		WorkflowID:            in.workflowID(),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         emailSummary(in.Kind) + " of " + in.OrderID,
	})
	err := workflow.ExecuteChildWorkflow(ctx, OrderEmailType, in).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		orderLogger(ctx, in.OrderID, in.Source).Info("email has a workflow already", "kind", in.Kind)
		return nil
	}
	return err
}

// handOverStopped hands over the emails that were stopped, so that the ledger gets an
// outcome for each. An email of a canceled order is not sent: its claim finds it
// withdrawn, or finds that its outcome cannot be known.
func (o *orderRun) handOverStopped(ctx workflow.Context) {
	for _, kind := range o.sends.stopped {
		o.handOver(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind, Source: o.in.Source})
	}
	o.sends.stopped = nil
	o.handOverLeft(ctx)
}

// setEmailStatus records an email's status. The order's state shows the newest email.
func (o *orderRun) setEmailStatus(ctx workflow.Context, kind email.Kind, status email.Status) {
	o.noteEmail(kind, status)
	if kind == o.sends.newest {
		o.state.Email = string(status)
		o.showProgress(ctx)
	}
}

// noteEmail records an email's status. An email that was sent stays sent, even if the
// ledger lost that fact. If the ledger lost the email itself, the outcome of an earlier
// attempt is unknown.
func (o *orderRun) noteEmail(kind email.Kind, status email.Status) {
	if status == email.StatusNone {
		status = email.StatusUnknown
	}
	if o.state.Emails == nil {
		o.state.Emails = map[string]string{}
	}
	if o.state.Emails[string(kind)] != string(email.StatusSent) {
		o.state.Emails[string(kind)] = string(status)
	}
}

// awaitEmails waits a limited time for the open emails, then hands them over and leaves
// the order's state unchanged. The email that closes an order has that limit as its own
// timeout, so only a confirmation that is still open costs a timer. Call it when the order
// has ended: from here on the run does not continue as new.
func (o *orderRun) awaitEmails(ctx workflow.Context) {
	ctx = disconnected(ctx)
	if o.sends.open[email.KindConfirmation] {
		wait := workflow.AwaitOptions{Timeout: emailWait, TimerOptions: workflow.TimerOptions{Summary: "confirmation before closing"}}
		// A disconnected context is never canceled, so the wait cannot fail.
		if settled, _ := workflow.AwaitWithOptions(ctx, wait, o.sends.settled); !settled {
			o.stopEmails(ctx)
			o.handOverStopped(ctx)
		}
	}
	_ = workflow.Await(ctx, o.sends.settled)
	if o.sends.left() && o.follows(ctx, versionHandOverLast) {
		o.finishing, o.continuing = true, false
		o.handOverLeft(ctx)
	}
}

// stopEmails cancels every open send. It waits until the outcome of a running attempt is
// known, which the attempt's own timeout bounds, and is settled or handed over, which
// settleTime bounds.
func (o *orderRun) stopEmails(ctx workflow.Context) {
	for _, stop := range o.sends.stop {
		stop()
	}
	_ = workflow.Await(ctx, o.sends.settled)
}

// EmailID returns the workflow id of an email that its order did not wait for.
func EmailID(orderID string, kind email.Kind) string { return "email-" + orderID + "-" + string(kind) }

// workflowID returns an id that is different for an attempt's outcome. A workflow that
// already follows the same email would never see that outcome.
func (in EmailInput) workflowID() string {
	if in.Outcome == nil {
		return EmailID(in.OrderID, in.Kind)
	}
	return fmt.Sprintf("%s-attempt-%d", EmailID(in.OrderID, in.Kind), in.Outcome.Attempt)
}

// emailSummary returns the summary that the Web UI shows for an email.
func emailSummary(kind email.Kind) string { return string(kind) + " email" }
