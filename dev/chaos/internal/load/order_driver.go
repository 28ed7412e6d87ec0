package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/dev/chaos/internal/rig"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

const (
	firstTry = 100 * time.Millisecond // wait before the first retry, doubling
	lastTry  = 2 * time.Second
	oneTry   = 10 * time.Second // how long one attempt may take
)

// orderDriver drives one order from being placed to where the workload leaves it.
type orderDriver struct {
	placement
	stores *rig.Direct
	outbox *outbox
	forgot *atomic.Bool // Temporal has forgotten responses, so that an update with the same id is another one
	mail   *mail
	api    *apiClient    // nil if there is no api
	hold   time.Duration // how long it waits on hold
	next   uint64        // revision of the next event on its stream

	mu       sync.Mutex
	doing    string // the current action; empty if there is none
	answered []answer
	ledger   ledger
	messages []message // accepted by Temporal
	blamed   []Violation
	erased   bool // its stream was deleted
}

// answer is the response to an update or a request: it must still be true in the end.
type answer struct {
	update string
	status order.Status
}

// retryUntilDone retries until try is done or ctx is done, because a fault may swallow an
// attempt.
func (l *orderDriver) retryUntilDone(ctx context.Context, what string, try func(ctx context.Context) (done bool, err error)) error {
	defer l.note("")
	for pause := firstTry; ; pause = min(2*pause, lastTry) {
		attempt, cancel := context.WithTimeout(ctx, oneTry)
		done, err := try(attempt)
		cancel()
		if done {
			return err
		}
		l.note(fmt.Sprintf("%s: %v", what, err))
		if wait(ctx, pause); ctx.Err() != nil {
			return fmt.Errorf("%s: %s: %w", l.id, what, errors.Join(context.Cause(ctx), err))
		}
	}
}

func (l *orderDriver) note(doing string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.doing = doing
}

// append adds an event to the order's stream exactly once, however often it is retried.
func (l *orderDriver) append(ctx context.Context, id uuid.UUID, eventType string, data []byte) error {
	expected := kurrent.NoStream()
	if l.next > 0 {
		expected = kurrent.At(l.next - 1)
	}
	err := l.retryUntilDone(ctx, "append "+eventType, func(ctx context.Context) (bool, error) {
		err := l.outbox.append(ctx, l.stores.Events, l.id, expected, kurrent.NewEvent{ID: id, Type: eventType, Data: data})
		return answered(err), err
	})
	l.next++
	return err
}

// erase deletes the order's stream as KurrentDB does it: by metadata that truncates
// everything.
func (l *orderDriver) erase(ctx context.Context) error {
	event := kurrent.NewEvent{ID: l.eventIDFor("erase"), Type: "$metadata", Data: []byte(`{"$tb":9223372036854775807}`)}
	l.mu.Lock()
	l.erased = true
	l.mu.Unlock()
	return l.retryUntilDone(ctx, "erase", func(ctx context.Context) (bool, error) {
		err := l.outbox.append(ctx, l.stores.Events, "$$"+l.id, kurrent.NoStream(), event)
		return answered(err), err
	})
}

// signal sends a signal until the workflow has it, or is closed.
func (l *orderDriver) signal(ctx context.Context, name string, message any) error {
	return l.retryUntilDone(ctx, "signal "+name, func(ctx context.Context) (bool, error) {
		err := l.stores.Temporal.SignalWorkflow(ctx, l.id, "", name, message)
		if err == nil {
			l.remember(name, message)
		}
		return l.over(ctx, err), nil
	})
}

// cancelNative cancels the workflow as the CLI does.
func (l *orderDriver) cancelNative(ctx context.Context) error {
	return l.retryUntilDone(ctx, "cancel", func(ctx context.Context) (bool, error) {
		err := l.stores.Temporal.CancelWorkflow(ctx, l.id, "")
		if err == nil {
			l.remember("", nil)
		}
		return l.over(ctx, err), nil
	})
}

// terminate terminates the workflow, whatever its progress.
func (l *orderDriver) terminate(ctx context.Context) error {
	return l.retryUntilDone(ctx, "terminate", func(ctx context.Context) (bool, error) {
		return l.over(ctx, l.stores.Temporal.TerminateWorkflow(ctx, l.id, "", "operator")), nil
	})
}

// overdue accepts a permanent refusal if the order is closed: the message came too late,
// which is no fault.
func (l *orderDriver) overdue(ctx context.Context, refusal error) (done bool, err error) {
	if l.final(ctx) {
		return true, nil
	}
	return false, refusal
}

// approved reports whether an approval had its effect in a workflow that Temporal has
// forgotten: the order has a row, so its credit was decided.
func (l *orderDriver) approved(ctx context.Context, name string) bool {
	if name != workflows.ApproveCreditMessage || !l.forgot.Load() {
		return false
	}
	_, err := l.stores.Rows.FindFulfillment(ctx, l.id)
	return err == nil
}

// over reports whether a message was delivered, or is too late.
func (l *orderDriver) over(ctx context.Context, err error) bool {
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return l.final(ctx) // there is no workflow yet, or no longer
	}
	return err == nil
}

// update sends an update until there is a response, or until there can be none because
// the order is closed. The same attempt is repeated with the same id, so that a lost
// response is returned again; after a refusal it is a new attempt.
func (l *orderDriver) update(ctx context.Context, name string, message any) error {
	refusals := 0
	return l.retryUntilDone(ctx, "update "+name, func(ctx context.Context) (bool, error) {
		state, err := l.ask(ctx, name, fmt.Sprintf("%s-%d", name, refusals), message)
		var refused *temporal.ApplicationError
		var missing *serviceerror.NotFound
		switch {
		case err == nil:
			l.remember(name, message)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.answered = append(l.answered, answer{name, state.Status})
			return true, nil
		case errors.As(err, &refused) && l.approved(ctx, name):
			return true, nil
		case errors.As(err, &refused):
			refusals++
			return l.overdue(ctx, err) // not yet, or no longer
		case errors.As(err, &missing):
			return l.overdue(ctx, err)
		}
		return false, err
	})
}

// decide sends an operator's decision once there is something to decide.
func (l *orderDriver) decide(ctx context.Context, name string, message any) error {
	if err := l.awaitHold(ctx); err != nil {
		return err
	}
	return l.update(ctx, name, message)
}

func (l *orderDriver) ask(ctx context.Context, name, id string, message any) (state order.State, err error) {
	handle, err := l.stores.Temporal.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: l.id, UpdateID: id, UpdateName: name, Args: []any{message}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &state)
	}
	return state, err
}

// final reports whether the order is permanently closed according to its row, or to its
// workflow, whose row a failover may have lost. A terminated workflow proves nothing.
func (l *orderDriver) final(ctx context.Context) bool {
	if row, err := l.stores.Rows.FindFulfillment(ctx, l.id); err == nil && row.Status.Final() {
		return true
	}
	described, err := l.stores.Temporal.DescribeWorkflow(ctx, l.id, "")
	if err != nil {
		return false
	}
	switch described.RawResponse.GetWorkflowExecutionInfo().GetStatus() {
	case enums.WORKFLOW_EXECUTION_STATUS_COMPLETED, enums.WORKFLOW_EXECUTION_STATUS_FAILED, enums.WORKFLOW_EXECUTION_STATUS_CANCELED:
		return true
	default:
		return false
	}
}

// awaitHold waits until the order is on hold, or has passed that state.
func (l *orderDriver) awaitHold(ctx context.Context) error {
	return l.retryUntilDone(ctx, "await the hold", func(ctx context.Context) (bool, error) {
		if _, err := l.stores.Rows.FindFulfillment(ctx, l.id); !errors.Is(err, postgres.ErrNotFound) {
			return err == nil, err
		}
		var state order.State
		answer, err := l.stores.Temporal.QueryWorkflow(ctx, l.id, "", workflows.StatusQuery)
		if err == nil {
			err = answer.Get(&state)
		}
		return err == nil && state.Status != order.StatusPending, err
	})
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
