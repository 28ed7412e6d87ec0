package workflows

import (
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/email"
)

// mails are the sends in the air. They go beside the order and never stand in its way.
type mails struct {
	open   map[email.Kind]bool
	begun  map[email.Kind]bool // by this run
	newest email.Kind
	stop   []workflow.CancelFunc

	stopped   []email.Kind          // they were stopped before their outcome was known
	handOvers map[string]EmailInput // by workflow id: to be started
	handing   map[string]bool       // by workflow id: being started
}

func newMails() mails {
	return mails{
		open: map[email.Kind]bool{}, begun: map[email.Kind]bool{}, handOvers: map[string]EmailInput{}, handing: map[string]bool{},
	}
}

func (m *mails) settled() bool { return len(m.open) == 0 }

// send starts sending a mail. Nothing that stops the order stops it, only stopMails.
func (o *orderRun) send(ctx workflow.Context, kind email.Kind) {
	ctx, stop := workflow.WithCancel(disconnected(ctx))
	o.mails.stop = append(o.mails.stop, stop)
	o.mails.open[kind], o.mails.begun[kind] = true, true
	o.mails.newest = kind
	o.mailed(ctx, kind, email.StatusPending)
	m := mail{orderID: o.in.OrderID, kind: kind, options: mailing, settling: settleSoon, note: func(s email.Status) { o.mailed(ctx, kind, s) }}
	// The first attempt is scheduled here and not in the coroutine, so that it shares the order's workflow task.
	attempt := m.attempt(ctx)
	workflow.GoNamed(ctx, mailSummary(kind), func(ctx workflow.Context) {
		defer delete(o.mails.open, kind)
		unsettled, err := m.follow(ctx, attempt)
		switch {
		case err == nil:
		case unsettled != nil:
			o.noteEmail(kind, unsettled.Status) // known here, whatever the ledger comes to say
			o.handOverOutcome(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind, Outcome: unsettled})
		case ctx.Err() != nil:
			o.mails.stopped = append(o.mails.stopped, kind)
		case isPermanent(err):
			workflow.GetLogger(ctx).Error("mail cannot be sent", "kind", kind, "error", err)
		default:
			o.handOver(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind})
		}
	})
}

// handOver gives an email that the order does not wait for any longer to a workflow of its own. A run that cannot, and has
// not come to its end, continues as new with it.
func (o *orderRun) handOver(ctx workflow.Context, in EmailInput) {
	id := in.workflowID()
	o.mails.handOvers[id] = in
	o.mails.handing[id] = true
	defer delete(o.mails.handing, id)
	for {
		err := o.untilDone(disconnected(ctx), StepHandOverEmail, func(ctx workflow.Context) error { return startEmail(ctx, in) })
		switch {
		case err == nil:
			delete(o.mails.handOvers, id)
			return
		case !o.finishing:
			o.continuing = true
			return
		}
	}
}

// handOverOutcome hands over how an attempt ended. While the order is being undone that waits until its row is closed, or
// an email that was not sent could go out meanwhile.
func (o *orderRun) handOverOutcome(ctx workflow.Context, in EmailInput) {
	if o.phase == phaseUndoing {
		o.mails.handOvers[in.workflowID()] = in
		return
	}
	o.handOver(ctx, in)
}

// handOverLeft hands over what was left to be, and is not on its way.
func (o *orderRun) handOverLeft(ctx workflow.Context) {
	for _, id := range sortedKeys(o.mails.handOvers) {
		if in, left := o.mails.handOvers[id]; left && !o.mails.handing[id] {
			o.handOver(ctx, in)
		}
	}
}

// startEmail starts the workflow of an email, or finds that there is one.
func startEmail(ctx workflow.Context, in EmailInput) error {
	ctx = workflow.WithChildOptions(disconnected(ctx), workflow.ChildWorkflowOptions{
		WorkflowID:            in.workflowID(),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         mailSummary(in.Kind) + " of " + in.OrderID,
	})
	err := workflow.ExecuteChildWorkflow(ctx, OrderEmailType, in).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		workflow.GetLogger(ctx).Info("email has a workflow already", "kind", in.Kind)
		return nil
	}
	return err
}

// handOverStopped lets the ledger come to an end with mails that were stopped. One of a cancelled order is not sent: its
// claim finds it taken back, or finds out that nobody can know.
func (o *orderRun) handOverStopped(ctx workflow.Context) {
	for _, kind := range o.mails.stopped {
		o.handOver(ctx, EmailInput{OrderID: o.in.OrderID, Kind: kind})
	}
	o.mails.stopped = nil
	o.handOverLeft(ctx)
}

// mailed notes where a mail stands; the order shows the newest one.
func (o *orderRun) mailed(ctx workflow.Context, kind email.Kind, status email.Status) {
	o.noteEmail(kind, status)
	if kind == o.mails.newest {
		o.state.Email = string(status)
		o.showProgress(ctx)
	}
}

// noteEmail keeps what became of an email. One that was sent stays sent: the ledger may have lost that. If it has lost the
// email itself, nobody knows what became of an earlier attempt.
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

// settleMails gives open mails a bounded time, then hands them over and leaves the state as it is. The mail that closes an
// order has that bound of its own, so that only a confirmation that is still open costs a timer.
func (o *orderRun) settleMails(ctx workflow.Context) {
	ctx = disconnected(ctx)
	if o.mails.open[email.KindConfirmation] {
		wait := workflow.AwaitOptions{Timeout: mailSettling, TimerOptions: workflow.TimerOptions{Summary: "confirmation before closing"}}
		// A disconnected context is never cancelled, so the wait cannot fail.
		if settled, _ := workflow.AwaitWithOptions(ctx, wait, o.mails.settled); !settled {
			o.stopMails(ctx)
			o.handOverStopped(ctx)
		}
	}
	_ = workflow.Await(ctx, o.mails.settled)
}

// stopMails ends every open send and waits until the outcome of a running attempt is known, which the attempt's own
// time-out bounds, and is settled or handed over, which settleTime bounds.
func (o *orderRun) stopMails(ctx workflow.Context) {
	for _, stop := range o.mails.stop {
		stop()
	}
	_ = workflow.Await(ctx, o.mails.settled)
}

// EmailID is the workflow id of an email that its order did not wait for.
func EmailID(orderID string, kind email.Kind) string { return "email-" + orderID + "-" + string(kind) }

// workflowID keeps the outcome of an attempt apart from a workflow that may follow the same email already, which would
// never hear of it.
func (in EmailInput) workflowID() string {
	if in.Outcome == nil {
		return EmailID(in.OrderID, in.Kind)
	}
	return fmt.Sprintf("%s-attempt-%d", EmailID(in.OrderID, in.Kind), in.Outcome.Attempt)
}

// mailSummary is what the Web UI shows for a mail.
func mailSummary(kind email.Kind) string { return string(kind) + " mail" }
