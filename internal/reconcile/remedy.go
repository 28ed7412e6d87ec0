package reconcile

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/backoff"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/workflows"
)

const (
	// maxPendingRemedies bounds the remedies applied before waiting for them, and thereby
	// the memory.
	maxPendingRemedies = 1_000

	// reconciledCode replaces an operator's reason code when reconcile cancels an order.
	reconciledCode = "RECONCILED"
)

// remedyBackoff is the backoff between checks of pending remedies.
var remedyBackoff = backoff.Exponential{Min: 100 * time.Millisecond, Max: 2 * time.Second}

// pendingRemedy is a difference whose remedy was applied and has not been seen to work.
type pendingRemedy struct {
	difference *difference
	settled    func(context.Context) (bool, error) // reports whether the remedy has worked
}

// applyRemedy applies the remedy of a difference, if --fix is set. Every remedy may be
// applied again, and alongside another one.
func (r *reconciliation) applyRemedy(ctx context.Context, d *difference, remedy remedy, input workflows.Input, placed kurrent.Event) error {
	if !r.fix {
		return nil
	}
	given := true
	var err error
	switch remedy {
	case start:
		err = r.start(ctx, placed)
	case repair:
		err = r.repair(ctx, d, input)
	case restore:
		given, err = r.restore(ctx, d, input)
	case cancel:
		err = r.cancel(ctx, input.OrderID)
	case reserve:
		err = r.startRestore(ctx, workflows.RestoreInput{Input: input, Reserve: true})
	default:
		return nil
	}
	if err != nil {
		return r.reportRefusal(d, fmt.Errorf("repair %s: %w", input.OrderID, err))
	}
	if !given {
		return nil
	}
	r.awaitRemedy(d, func(ctx context.Context) (bool, error) {
		f, err := r.gatherFacts(ctx, input)
		f.Erased = d.facts.Erased
		what, _ := judge(f)
		return what == consistent && !f.Unanswered, err
	})
	return nil
}

// awaitRemedy registers a difference to be counted as fixed once settled reports true.
func (r *reconciliation) awaitRemedy(d *difference, settled func(context.Context) (bool, error)) {
	r.pendingRemedies.Lock()
	defer r.pendingRemedies.Unlock()
	r.pendingRemedies.all = append(r.pendingRemedies.all, pendingRemedy{difference: d, settled: settled})
}

// reportRefusal reports why the remedy of one difference was not accepted, and leaves the
// difference for another comparison. It returns err if every other remedy would fail the
// same way.
func (r *reconciliation) reportRefusal(d *difference, err error) error {
	var parked *bridge.ParkError
	class := bridge.Classify(err)
	switch {
	case errors.As(err, &parked):
		r.report.addDetail(d, parked.Reason)
	case errors.Is(err, bridge.ErrRunChanged), errors.Is(err, routes.ErrNotPlaced):
		r.report.addDetail(d, "it changed while it was being repaired")
	case class == bridge.ClassNotYet:
		r.report.addDetail(d, "its workflow does not accept it yet")
	case class == bridge.ClassBusy:
		r.report.addDetail(d, "its workflow accepts no more messages for now")
	case class == bridge.ClassUndecodable:
		r.report.addDetail(d, "the key to decode its workflow's input is missing")
	case class == bridge.ClassRefused:
		r.report.addDetail(d, fmt.Sprintf("%s: %.512s", bridge.ReasonRefused, bridge.ServerMessage(err)))
	default:
		return err
	}
	return nil
}

// start applies the order's event as the starter would. An event that the starter would
// park cannot be started.
func (r *reconciliation) start(ctx context.Context, placed kurrent.Event) error {
	return r.retryCall(ctx, callTimeout, func(ctx context.Context) error {
		_, err := r.router.Apply(ctx, bridge.Event(placed))
		return err
	})
}

// repair starts the order's repair, or joins one that is running. A repair that has ended
// may be followed by another: the order may have been reset, and lost again.
func (r *reconciliation) repair(ctx context.Context, d *difference, input workflows.Input) error {
	input.TotalHidden = r.attributes.TotalHidden
	in := workflows.RepairInput{Input: input, Code: closeCode(d.facts.Workflow)}
	return r.execute(ctx, client.StartWorkflowOptions{
		ID:                       workflows.RepairID(input.OrderID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    in.SearchAttributes(),
		StaticSummary:            in.Summary(),
		Priority:                 workflows.CustomerPriority(input.CustomerID),
	}, workflows.OrderRepairType, in)
}

func (r *reconciliation) execute(ctx context.Context, options client.StartWorkflowOptions, workflow string, in any) error {
	return r.retryCall(ctx, callTimeout, func(ctx context.Context) error {
		_, err := r.temporal.ExecuteWorkflow(ctx, options, workflow, in)
		return err
	})
}

// restore starts restoring the order's row from its workflow's state, or joins a restore
// that is running. If an open workflow is no longer waiting, or does not answer, the
// difference is left for another comparison.
func (r *reconciliation) restore(ctx context.Context, d *difference, input workflows.Input) (started bool, err error) {
	in := workflows.RestoreInput{Input: input, State: d.facts.Result}
	if d.facts.Workflow == workflowOpen {
		if in.State, err = r.queryState(ctx, input.OrderID); err != nil {
			r.report.addDetail(d, "its workflow does not answer the status query")
			return false, nil //nolint:nilerr // the difference is left, and the report says why
		}
		if in.State.Status != order.StatusFulfilling {
			return false, nil
		}
	}
	err = r.addEmailResults(ctx, &in.State)
	if _, undecodable := errors.AsType[*resultError](err); undecodable {
		r.report.addDetail(d, "the result of an email's workflow cannot be read")
		return false, nil
	} else if err != nil {
		return false, err
	}
	err = r.startRestore(ctx, in)
	return err == nil, err
}

// startRestore starts an order's restore, or joins one that is running.
func (r *reconciliation) startRestore(ctx context.Context, in workflows.RestoreInput) error {
	return r.execute(ctx, client.StartWorkflowOptions{
		ID:                       workflows.RestoreID(in.OrderID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            in.Summary(),
		Priority:                 workflows.CustomerPriority(in.CustomerID),
	}, workflows.OrderRestoreType, in)
}

// closeCode returns the code that records in the order's row how its workflow closed.
func closeCode(state workflowState) string {
	if state == workflowNone {
		return "DELETED"
	}
	return strings.ToUpper(strings.ReplaceAll(string(state), "-", "_"))
}

// cancel asks the order's workflow to cancel, unless it has closed meanwhile.
func (r *reconciliation) cancel(ctx context.Context, orderID string) error {
	return r.retryCall(ctx, callTimeout, func(ctx context.Context) error {
		return routes.CancelOpen(ctx, r.router, orderID, reconciledCode)
	})
}

// checkEach runs work on all of a batch. It waits for the pending remedies if there are
// many.
func checkEach[T any](ctx context.Context, r *reconciliation, batch []T, work func(context.Context, T) error) error {
	if err := each(ctx, r, batch, work); err != nil {
		return err
	}
	if len(r.pendingRemedies.all) < maxPendingRemedies {
		return nil
	}
	return r.awaitRemedies(ctx)
}

// awaitRemedies waits until the orders that remedies were applied to are consistent, up
// to --wait. If none of them becomes consistent, no worker is running, and later remedies
// are not waited for.
func (r *reconciliation) awaitRemedies(ctx context.Context) error {
	r.pendingRemedies.Lock()
	left := r.pendingRemedies.all
	r.pendingRemedies.all = nil
	r.pendingRemedies.Unlock()
	before := len(left)
	deadline := time.Now().Add(r.wait)
	for polls := 0; ; polls++ {
		var err error
		if left, err = r.unsettledRemedies(ctx, left); err != nil || len(left) == 0 {
			return err
		}
		delay := remedyBackoff.Delay(polls)
		if time.Now().Add(delay).After(deadline) {
			break
		}
		if err := backoff.Sleep(ctx, delay); err != nil {
			return err
		}
	}
	if len(left) == before {
		r.wait = 0
	}
	return nil
}

// unsettledRemedies checks each order again, and returns the remedies that have not
// worked yet.
func (r *reconciliation) unsettledRemedies(ctx context.Context, all []pendingRemedy) ([]pendingRemedy, error) {
	var left []pendingRemedy
	err := each(ctx, r, all, func(ctx context.Context, m pendingRemedy) error {
		settled, err := m.settled(ctx)
		if err != nil {
			return err
		}
		if settled {
			r.report.markFixed(m.difference)
			return nil
		}
		r.pendingRemedies.Lock()
		defer r.pendingRemedies.Unlock()
		left = append(left, m)
		return nil
	})
	return left, err
}
