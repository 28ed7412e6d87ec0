package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

const (
	// mendAtOnce is how many remedies are given before they are waited for, which bounds the memory.
	mendAtOnce = 1_000

	firstLook = 100 * time.Millisecond // at a repair that is waited for, doubling
	lastLook  = 2 * time.Second

	// reconciledCode stands for an operator's code where an order is told to cancel.
	reconciledCode = "RECONCILED"
)

// mending is a difference whose remedy was given and has not been seen to work.
type mending struct {
	difference *difference
	settled    func(context.Context) (bool, error) // reports whether it has worked
}

// mend gives a difference its remedy, if that was asked for. Each of them can be given again, and beside another one.
func (r *reconciliation) mend(ctx context.Context, d *difference, remedy remedy, input workflows.Input, placed kurrent.Event) error {
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
	default:
		return nil
	}
	if err != nil {
		return r.explainRefusal(d, fmt.Errorf("mend %s: %w", input.OrderID, err))
	}
	if !given {
		return nil
	}
	r.awaitRemedy(d, func(ctx context.Context) (bool, error) {
		f, err := r.look(ctx, input)
		f.Erased = d.facts.Erased
		what, _ := judge(f)
		return what == consistent && !f.Silent, err
	})
	return nil
}

// awaitRemedy has a difference counted as fixed once settled says so.
func (r *reconciliation) awaitRemedy(d *difference, settled func(context.Context) (bool, error)) {
	r.mendings.Lock()
	defer r.mendings.Unlock()
	r.mendings.all = append(r.mendings.all, mending{difference: d, settled: settled})
}

// explainRefusal says in the report why one difference's remedy was not taken, which leaves it for another comparison. It
// returns err if every other remedy would meet it too.
func (r *reconciliation) explainRefusal(d *difference, err error) error {
	var parked *parkError
	class := classify(err)
	switch {
	case errors.As(err, &parked):
		r.report.explain(d, parked.reason)
	case errors.Is(err, errRunChanged), errors.Is(err, errNotPlaced):
		r.report.explain(d, "it changed while it was mended")
	case class == classBusy:
		r.report.explain(d, "its workflow takes no more messages for now")
	case class == classUndecodable:
		r.report.explain(d, "a key is missing to read what its workflow was started with")
	case class == classRefused:
		r.report.explain(d, fmt.Sprintf("%s: %.512s", reasonRefused, serverMessage(err)))
	default:
		return err
	}
	return nil
}

// start does what the bridge does with the order's event. What the bridge would park cannot be started.
func (r *reconciliation) start(ctx context.Context, placed kurrent.Event) error {
	return r.patiently(ctx, func(ctx context.Context) error {
		_, err := r.bridge.handlePlaced(ctx, placed)
		return err
	})
}

// repair starts the order's repair, or finds it under way. One that has ended may be followed by another: the order may have
// been reset, and lost again.
func (r *reconciliation) repair(ctx context.Context, d *difference, input workflows.Input) error {
	in := workflows.RepairInput{Input: input, Code: codeOf(d.facts.Workflow)}
	return r.execute(ctx, client.StartWorkflowOptions{
		ID:                       workflows.RepairID(input.OrderID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		TypedSearchAttributes:    in.SearchAttributes(),
		StaticSummary:            in.Summary(),
	}, workflows.OrderRepairType, in)
}

func (r *reconciliation) execute(ctx context.Context, options client.StartWorkflowOptions, workflow string, in any) error {
	return r.patiently(ctx, func(ctx context.Context) error {
		_, err := r.temporal.ExecuteWorkflow(ctx, options, workflow, in)
		return err
	})
}

// restore starts the restoring of the order's row, or finds it under way, with what the order's workflow says. An open one
// that has left the wait meanwhile, or does not answer, is left for another comparison.
func (r *reconciliation) restore(ctx context.Context, d *difference, input workflows.Input) (started bool, err error) {
	in := workflows.RestoreInput{Input: input, State: d.facts.Result}
	if d.facts.Workflow == workflowOpen {
		if in.State, err = r.ask(ctx, input.OrderID); err != nil {
			r.report.explain(d, "its workflow does not say where it stands")
			return false, nil //nolint:nilerr // the difference is left, and the report says why
		}
		if in.State.Status != order.StatusFulfilling {
			return false, nil
		}
	}
	err = r.addEmailResults(ctx, &in.State)
	if _, undecodable := errors.AsType[*resultError](err); undecodable {
		r.report.explain(d, "the result of an email's workflow cannot be read")
		return false, nil
	} else if err != nil {
		return false, err
	}
	err = r.execute(ctx, client.StartWorkflowOptions{
		ID:                       workflows.RestoreID(input.OrderID),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
		StaticSummary:            in.Summary(),
	}, workflows.OrderRestoreType, in)
	return err == nil, err
}

// codeOf says in the order's row what became of its workflow.
func codeOf(state workflowState) string {
	if state == workflowNone {
		return "DELETED"
	}
	return strings.ToUpper(strings.ReplaceAll(string(state), "-", "_"))
}

func (r *reconciliation) cancel(ctx context.Context, orderID string) error {
	return r.patiently(ctx, func(ctx context.Context) error {
		run, err := r.bridge.findExecution(ctx, orderID, workflows.OrderFulfillmentType)
		var foreign *parkError
		switch {
		case errors.As(err, &foreign), err == nil && (run.closed || run.runID == ""):
			return nil // it has closed meanwhile, or made room for another
		case err != nil:
			return err
		}
		err = r.bridge.signalRun(ctx, orderID, run.runID, workflows.CancelOrder{Reason: reconciledCode})
		if isNotFound(err) {
			return nil
		}
		return err
	})
}

// checkEach does work on all of a batch, and waits for what it mended when there is much of it.
func checkEach[T any](ctx context.Context, r *reconciliation, batch []T, work func(context.Context, T) error) error {
	if err := each(ctx, batch, work); err != nil {
		return err
	}
	if len(r.mendings.all) < mendAtOnce {
		return nil
	}
	return r.awaitMended(ctx)
}

// awaitMended waits until the orders that were mended are consistent, for as long as --wait says. When none of them comes
// to that, nobody is at work, and later ones are not waited for.
func (r *reconciliation) awaitMended(ctx context.Context) error {
	r.mendings.Lock()
	left := r.mendings.all
	r.mendings.all = nil
	r.mendings.Unlock()
	before := len(left)
	deadline := time.Now().Add(r.wait)
	for pauseFor := firstLook; ; pauseFor = min(2*pauseFor, lastLook) {
		var err error
		if left, err = r.unmended(ctx, left); err != nil || len(left) == 0 {
			return err
		}
		if time.Now().Add(pauseFor).After(deadline) {
			break
		}
		if pause(ctx, pauseFor); ctx.Err() != nil {
			return ctx.Err()
		}
	}
	if len(left) == before {
		r.wait = 0
	}
	return nil
}

// unmended looks at each order again, and gives those that are not yet consistent.
func (r *reconciliation) unmended(ctx context.Context, all []mending) ([]mending, error) {
	var left []mending
	err := each(ctx, all, func(ctx context.Context, m mending) error {
		settled, err := m.settled(ctx)
		if err != nil {
			return err
		}
		if settled {
			r.report.fixed(m.difference)
			return nil
		}
		r.mendings.Lock()
		defer r.mendings.Unlock()
		left = append(left, m)
		return nil
	})
	return left, err
}
