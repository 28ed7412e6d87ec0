package workflows

import (
	"errors"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
)

// mails are the sends in the air. They go beside the order and never stand in its way.
type mails struct {
	open   map[email.Kind]bool
	begun  map[email.Kind]bool // by this run
	newest email.Kind
	stop   []workflow.CancelFunc

	stopped []email.Kind // they were stopped before their outcome was known
}

func (m *mails) settled() bool { return len(m.open) == 0 }

// send starts sending a mail. Nothing that stops the order stops it, only stopMails.
func (o *orderRun) send(ctx workflow.Context, kind email.Kind) {
	ctx, stop := workflow.WithCancel(afloat(ctx))
	o.mails.stop = append(o.mails.stop, stop)
	o.mails.open[kind], o.mails.begun[kind] = true, true
	o.mails.newest = kind
	o.mailed(ctx, kind, email.StatusPending)
	m := mail{orderID: o.in.OrderID, kind: kind, options: mailing, note: func(s email.Status) { o.mailed(ctx, kind, s) }}
	// The first attempt is scheduled here and not in the coroutine, so that it shares the order's workflow task.
	attempt := m.attempt(ctx)
	workflow.GoNamed(ctx, mailSummary(kind), func(ctx workflow.Context) {
		defer delete(o.mails.open, kind)
		err := m.follow(ctx, attempt)
		switch {
		case err == nil:
		case ctx.Err() != nil:
			o.mails.stopped = append(o.mails.stopped, kind)
		case isPermanent(err):
			workflow.GetLogger(ctx).Error("mail cannot be sent", "kind", kind, "error", err)
		default:
			o.handOver(ctx, kind)
		}
	})
}

func isPermanent(err error) bool {
	var application *temporal.ApplicationError
	return errors.As(err, &application) && application.NonRetryable()
}

// handOver gives a mail that the order does not wait for any longer to a workflow of its own.
func (o *orderRun) handOver(ctx workflow.Context, kind email.Kind) {
	ctx = workflow.WithChildOptions(afloat(ctx), workflow.ChildWorkflowOptions{
		WorkflowID:            EmailID(o.in.OrderID, kind),
		WorkflowIDReusePolicy: enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		ParentClosePolicy:     enums.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary:         mailSummary(kind) + " of " + o.in.OrderID,
	})
	child := workflow.ExecuteChildWorkflow(ctx, OrderEmailType, activities.SendEmailInput{OrderID: o.in.OrderID, Kind: kind})
	if err := child.GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("mail is not handed over", "kind", kind, "error", err) // one is at it already
	}
}

// handOverStopped lets the ledger come to an end with mails that were stopped. One of a cancelled order is not sent: its
// claim finds it taken back, or finds out that nobody can know.
func (o *orderRun) handOverStopped(ctx workflow.Context) {
	for _, kind := range o.mails.stopped {
		o.handOver(ctx, kind)
	}
	o.mails.stopped = nil
}

// mailed notes where a mail stands; the order shows the newest one.
func (o *orderRun) mailed(ctx workflow.Context, kind email.Kind, status email.Status) {
	if kind == o.mails.newest {
		o.state.Email = string(status)
		o.touch(ctx)
	}
}

// settleMails gives open mails a bounded time, then hands them over and leaves the state as it is. The mail that closes an
// order has that bound of its own, so that only a confirmation that is still open costs a timer.
func (o *orderRun) settleMails(ctx workflow.Context) {
	ctx = afloat(ctx)
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

// stopMails ends every open send and waits until the outcome of a running attempt is known.
func (o *orderRun) stopMails(ctx workflow.Context) {
	for _, stop := range o.mails.stop {
		stop()
	}
	_ = workflow.Await(ctx, o.mails.settled)
}

// EmailID is the workflow id of a mail that its order did not wait for.
func EmailID(orderID string, kind email.Kind) string { return "email-" + orderID + "-" + string(kind) }

// mailSummary is what the Web UI shows for a mail.
func mailSummary(kind email.Kind) string { return string(kind) + " mail" }
