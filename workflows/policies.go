package workflows

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"orderflow/activities"
	"orderflow/internal/email"
)

// How long activities may take. How long a failed one waits before its next attempt is
// set in activities/backoff.go.
const (
	// attemptTimeout bounds one attempt at a store: several calls of 5 s each, with room
	// for a conflict or two.
	attemptTimeout = 30 * time.Second

	// localTimeout bounds a step's local attempt, including its wait for a slot of the
	// worker. One workflow task makes at most five (reserve, end the hold, start, close,
	// release). So they end before 80 % of its timeout of 10 s, when the SDK would extend
	// it with a heartbeat of several events.
	localTimeout = 1500 * time.Millisecond

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

// Priorities decide what goes first when tasks wait in a queue of Temporal: the lowest key,
// and within a key each customer in turn. A task without a key has 3, among them workflow
// tasks and what was scheduled before there were keys.
//
// From rulesLocal on, most steps run within workflow tasks, and so with key 3. The other
// keys of order-fulfillment matter for regular activities alone: those that replace a
// local attempt that failed, approvals, and what follows an update.
//
//	order-fulfillment   order-email              key
//	close, release, and everything else          1
//	start fulfillment   shipment, cancellation,  2
//	                    rejection
//	workflow tasks                               3
//	reserve credit      confirmation             4
//
// Steps of orders that have begun go before the first step of a new order, so that a
// backlog is finished order by order instead of begun as a whole. Emails that close an
// order go before confirmations, of which a backlog has most.
//
// Every workflow of an order has its customer as the fairness key (CustomerPriority), which
// its activities and children inherit. It has no effect on a server without
// matching.enableFairness.
const (
	priorityEnd     = 1 // whatever lets an order end
	priorityProceed = 2 // the next step of an order that has begun
	priorityBegin   = 4 // the first step of an order
)

// stepPriority returns the priority of a step's activities.
func stepPriority(step string) temporal.Priority {
	switch step {
	case StepReserveCredit:
		return temporal.Priority{PriorityKey: priorityBegin}
	case StepStartFulfillment:
		return temporal.Priority{PriorityKey: priorityProceed}
	default:
		return temporal.Priority{PriorityKey: priorityEnd}
	}
}

// emailPriority returns the priority of sending an email.
func emailPriority(kind email.Kind) temporal.Priority {
	if kind == email.KindConfirmation {
		return temporal.Priority{PriorityKey: priorityBegin}
	}
	return temporal.Priority{PriorityKey: priorityProceed}
}

// CustomerPriority returns the priority to start the workflows of a customer's orders
// with. Its fairness key is a hash of the customer's id, because Temporal accepts at most
// 64 bytes.
func CustomerPriority(customerID string) temporal.Priority {
	hash := sha256.Sum256([]byte(customerID))
	return temporal.Priority{FairnessKey: hex.EncodeToString(hash[:])}
}

// settleOptions returns the options for recording an attempt's outcome in the ledger,
// without a time limit.
func settleOptions(ctx workflow.Context, kind email.Kind) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		StartToCloseTimeout: attemptTimeout, RetryPolicy: activities.StoreRetryPolicy(), Summary: "settle " + emailSummary(kind),
		Priority: temporal.Priority{PriorityKey: priorityEnd},
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
		TaskQueue: EmailTaskQueue, StartToCloseTimeout: emailAttemptTimeout, RetryPolicy: activities.EmailRetryPolicy(),
		WaitForCancellation: true, Summary: emailSummary(kind), Priority: emailPriority(kind),
	})
}
