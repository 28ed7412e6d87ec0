package activities

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
)

// Reconciler implements the activity of the workflow Reconciliation. It is not part of
// Activities because it is registered only on its own task queue, whose workers have rights
// that those of the orders lack.
type Reconciler struct{ Comparison Comparison }

// Comparison compares the placed orders with what the stores say about them. The worker
// implements it with package reconcile, which `orderflow reconcile` runs too.
//
// Compare calls p.Save at least once a minute. It ends soon after ctx.
type Comparison interface {
	Compare(ctx context.Context, in ReconcileInput, p ReconcileProgress) (Reconciled, error)
}

// ReconcileInput selects the orders to compare, and what to do about differences.
type ReconcileInput struct {
	At    time.Time  `json:"at"`              // when it was asked for; orders placed shortly before are skipped
	Since *time.Time `json:"since,omitempty"` // only orders placed then or later; nil means all
	Fix   bool       `json:"fix,omitempty"`   // repair what is safe to repair, as --fix does
}

// ReconcileProgress keeps how far a comparison has come, for the next attempt.
type ReconcileProgress struct {
	// Resume decodes into into what an earlier attempt saved last, and reports whether
	// there was anything.
	Resume func(into any) bool

	Save func(progress any) // is safe for concurrent use
}

// MaxReconciled bounds the differences that a result lists.
const MaxReconciled = 1_000

// Reconciled is the result of a comparison: counts, and the first MaxReconciled
// differences. The kinds are those of `orderflow reconcile`.
type Reconciled struct {
	Checked     int               `json:"checked"`     // placed orders
	Young       int               `json:"young"`       // further orders placed shortly before, and not checked
	Found       map[string]int    `json:"found"`       // differences by kind, including those that were fixed
	Left        map[string]int    `json:"left"`        // differences by kind that were not fixed
	Parked      *int              `json:"parked"`      // parked orders, except the missing; null if not readable
	Differences []ReconciledOrder `json:"differences"` // at most MaxReconciled
	More        int               `json:"more"`        // differences beyond those listed
}

// ReconciledOrder is one difference.
type ReconciledOrder struct {
	OrderID string `json:"orderId"` // empty if the stream or workflow is not named like an order
	Kind    string `json:"kind"`
	Fixed   bool   `json:"fixed,omitempty"`
}

// Types of the errors of Reconcile, besides TypeBlocked.
const typeStopping = "WORKER_STOPPING"

var errStopping = errors.New("the worker is stopping: the next attempt continues")

// Reconcile compares the stores. It records its position with each heartbeat, and an
// attempt resumes at that of the one before. If the worker stops, it leaves the rest to the
// next attempt at once.
func (r *Reconciler) Reconcile(ctx context.Context, in ReconcileInput) (Reconciled, error) {
	comparing, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		select {
		case <-activity.GetWorkerStopChannel(ctx):
			stop(errStopping)
		case <-comparing.Done():
		}
	}()
	var last atomic.Value
	found, err := r.Comparison.Compare(comparing, in, ReconcileProgress{
		Resume: func(into any) bool {
			return activity.HasHeartbeatDetails(ctx) && activity.GetHeartbeatDetails(ctx, into) == nil
		},
		Save: func(progress any) {
			last.Store(progress)
			activity.RecordHeartbeat(ctx, progress)
		},
	})
	switch {
	case err == nil:
		return found, nil
	case ctx.Err() != nil: // canceled, or the heartbeats did not reach the server in time
		return Reconciled{}, ctx.Err()
	case errors.Is(context.Cause(comparing), errStopping):
		saveNow(ctx, last.Load())
		return Reconciled{}, retryAfter(typeStopping, errStopping, time.Second)
	default:
		return Reconciled{}, classifyComparison(ctx, fmt.Errorf("reconcile: %w", err))
	}
}

// saveTimeout bounds saving the position when the worker stops.
const saveTimeout = 5 * time.Second

// saveNow saves the position before the attempt fails. The SDK sends the heartbeat that it
// still holds in the background then, and may do so after the failure. If it cannot be
// saved, the next attempt begins at an earlier one.
func saveNow(ctx context.Context, progress any) {
	if progress == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	err := activity.GetClient(ctx).RecordActivityHeartbeat(ctx, activity.GetInfo(ctx).TaskToken, progress)
	if err != nil {
		activity.GetLogger(ctx).Warn("saving the position failed", "error", err)
	}
}

// classifyComparison makes every error retryable: none is caused by the input. The
// workflow bounds the attempts.
func classifyComparison(ctx context.Context, err error) error {
	if isBlocked(err) {
		return retryable(ctx, TypeBlocked, err)
	}
	return retryable(ctx, typeUnavailable, err)
}

// ReconcileRetryPolicy returns the retry policy of Reconcile. It has no limit of its own.
func ReconcileRetryPolicy() *temporal.RetryPolicy { return retryPolicy(storeBackoff) }
