package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/email"
)

const (
	// attemptTimeout bounds one attempt at a store: several calls of 5 s each, with room
	// for a conflict or two.
	attemptTimeout = 30 * time.Second

	// emailAttemptTimeout is above the mailer's HTTP timeout and below the ledger's
	// lease, so that an attempt ends before another one may claim the email.
	emailAttemptTimeout = 30 * time.Second

	// settleTime bounds how long an order tries to record the outcome of an attempt in
	// the ledger, before it hands that over.
	settleTime = time.Minute

	// emailWait bounds how long a closing order waits for its emails. It is longer than
	// the grace time after which an email with an unknown outcome is sent once more.
	emailWait = 15 * time.Minute
)

// retries returns the retry policy of every activity. A failing activity sets its own
// backoff, with jitter. These numbers apply to attempts that returned no error because
// their worker died. There is no limit: the order waits until a store that is down
// recovers.
func retries() *temporal.RetryPolicy {
	return &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 5 * time.Minute}
}

// settleOptions returns the options for recording an attempt's outcome in the ledger,
// without a time limit.
func settleOptions(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, RetryPolicy: retries(), Summary: "settle " + emailSummary(kind),
	})
}

// boundedSettleOptions returns settleOptions with the limit settleTime, for an order,
// which must not wait for the ledger.
func boundedSettleOptions(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithScheduleToCloseTimeout(settleOptions(ctx, kind), settleTime)
}

// emailOptions returns the options for sending one email of an open order. A confirmation
// is retried while the order is open. The email that closes an order is the last thing
// the order waits for; after emailWait a separate workflow sends it.
func emailOptions(ctx workflow.Context, kind email.Kind) workflow.Context {
	ctx = detachedEmailOptions(ctx, kind)
	if kind != email.KindConfirmation {
		ctx = workflow.WithScheduleToCloseTimeout(ctx, emailWait)
	}
	return ctx
}

// detachedEmailOptions returns the options for sending an email that its order does not
// wait for, on the task queue with the provider's rate limit.
func detachedEmailOptions(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue: EmailTaskQueue, StartToCloseTimeout: emailAttemptTimeout, RetryPolicy: retries(),
		WaitForCancellation: true, Summary: emailSummary(kind),
	})
}
