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

	// settleTime bounds how long an order tries to tell the ledger how an attempt ended, before it hands that over.
	settleTime = time.Minute

	// mailSettling bounds how long a closing order waits for its mails. It is longer than the grace time after which an
	// unknown mail is sent once more.
	mailSettling = 15 * time.Minute
)

// retries backs off as the failing activity says, with jitter; these numbers serve attempts that could not say, because
// their worker died. There is no limit: a store that is down comes back, and the order waits for it.
func retries() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute}
}

// settlePatiently is for telling the ledger how an attempt ended, for as long as it takes.
func settlePatiently(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, RetryPolicy: retries(), Summary: "settle " + mailSummary(kind),
	})
}

// settleSoon is the same for an order, which must not wait behind the ledger.
func settleSoon(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithScheduleToCloseTimeout(settlePatiently(ctx, kind), settleTime)
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
