package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/email"
)

const (
	// attemptTimeout bounds one attempt at a store: several calls of 5 s each, with room for a conflict or two.
	attemptTimeout = 30 * time.Second

	// mailAttemptTimeout is above the mailer's HTTP timeout and below the ledger's lease, so that an attempt ends before
	// another may take the mail over.
	mailAttemptTimeout = 30 * time.Second

	// roundTime bounds one try at what has to be done in the end, after which the order says openly that it cannot proceed.
	roundTime = 15 * time.Minute

	// The pause between rounds doubles from the first to the last. A round that fails at once costs 11 events, of which a
	// history holds 51,200: at one an hour that is half a year.
	firstPause = time.Minute
	lastPause  = time.Hour

	// mailSettling bounds how long a closing order waits for its mails. It is longer than the grace time after which an
	// unknown mail is sent once more.
	mailSettling = 15 * time.Minute
)

// retries backs off as the failing activity says, with jitter; these numbers serve attempts that could not say, because
// their worker died. There is no limit: a store that is down comes back, and the order waits for it.
func retries() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute}
}

// storing is for steps that write to a store. They wait for their cancellation, because a running attempt's outcome has to
// be known before it is undone.
func storing(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, RetryPolicy: retries(), WaitForCancellation: true, Summary: summary,
	})
}

// round is for one round of what has to be done in the end: a compensation, or the closing of an order that has shipped.
func round(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, ScheduleToCloseTimeout: roundTime, RetryPolicy: retries(), Summary: summary,
	})
}

// mailing is for sending one mail of an open order. A confirmation is tried for as long as the order is open; the mail that
// closes an order is the last thing it waits for, and after that time goes on in a workflow of its own.
func mailing(ctx workflow.Context, kind email.Kind) workflow.Context {
	ctx = patientMailing(ctx, kind)
	if kind != email.KindConfirmation {
		ctx = workflow.WithScheduleToCloseTimeout(ctx, mailSettling)
	}
	return ctx
}

// patientMailing is for a mail that nobody waits for, on the queue that carries the provider's rate.
func patientMailing(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: EmailTaskQueue, StartToCloseTimeout: mailAttemptTimeout, RetryPolicy: retries(),
		WaitForCancellation: true, Summary: mailSummary(kind),
	})
}
