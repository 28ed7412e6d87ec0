package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
)

// mails are the sends in the air. They go beside the order and never stand in its way.
type mails struct {
	open   map[email.Kind]bool
	newest email.Kind
	stop   []workflow.CancelFunc
}

func (m *mails) settled() bool { return len(m.open) == 0 }

// send starts sending a mail. Nothing that stops the order stops it, only stopMails.
func (o *orderRun) send(ctx workflow.Context, kind email.Kind) {
	ctx, stop := workflow.WithCancel(afloat(ctx))
	o.mails.stop = append(o.mails.stop, stop)
	o.mails.open[kind] = true
	o.mails.newest = kind
	o.mailed(ctx, kind, email.StatusPending)
	// The first attempt is scheduled here and not in the coroutine, so that it shares the order's workflow task.
	attempt := o.attempt(ctx, kind)
	workflow.GoNamed(ctx, mailSummary(kind), func(ctx workflow.Context) {
		o.followMail(ctx, kind, attempt)
		delete(o.mails.open, kind)
	})
}

func (o *orderRun) attempt(ctx workflow.Context, kind email.Kind) workflow.Future {
	return workflow.ExecuteActivity(mailing(ctx, kind), o.do.SendEmail,
		activities.SendEmailInput{OrderID: o.in.OrderID, Kind: kind})
}

// followMail waits for the outcome of a mail. One whose outcome is unknown is sent once more when the ledger's policy
// says so, after the time it asks for.
func (o *orderRun) followMail(ctx workflow.Context, kind email.Kind, attempt workflow.Future) {
	for {
		var result activities.EmailResult
		if err := attempt.Get(ctx, &result); err != nil {
			workflow.GetLogger(ctx).Warn("mail is left as it is", "kind", kind, "error", err)
			return
		}
		o.mailed(ctx, kind, result.Status)
		if result.RetrySeconds == 0 {
			return
		}
		grace := workflow.NewTimerWithOptions(ctx, time.Duration(result.RetrySeconds)*time.Second,
			workflow.TimerOptions{Summary: "grace time of the " + mailSummary(kind)})
		if grace.Get(ctx, nil) != nil {
			return
		}
		attempt = o.attempt(ctx, kind)
	}
}

// mailed notes where a mail stands; the order shows the newest one.
func (o *orderRun) mailed(ctx workflow.Context, kind email.Kind, status email.Status) {
	if kind == o.mails.newest {
		o.state.Email = string(status)
		o.touch(ctx)
	}
}

// settleMails gives open mails a bounded time, then leaves them as they are. The mail that closes an order has that bound
// of its own, so that only a confirmation that is still open costs a timer.
func (o *orderRun) settleMails(ctx workflow.Context) {
	ctx = afloat(ctx)
	if o.mails.open[email.KindConfirmation] {
		wait := workflow.AwaitOptions{Timeout: mailSettling, TimerOptions: workflow.TimerOptions{Summary: "confirmation before closing"}}
		// A disconnected context is never cancelled, so the wait cannot fail.
		if settled, _ := workflow.AwaitWithOptions(ctx, wait, o.mails.settled); !settled {
			o.stopMails(ctx)
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

// mailSummary is what the Web UI shows for a mail.
func mailSummary(kind email.Kind) string { return string(kind) + " mail" }
