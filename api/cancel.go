package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"orderflow/internal/failpoint"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// cancelWait is how long a request waits for the order to be undone, before it is
// answered with where to look.
const cancelWait = 5 * time.Second

// cancelUpdateID is the update id of a cancellation by HTTP. A run is canceled once, by
// whoever comes first.
const cancelUpdateID = "http-" + workflows.CancelOrderMessage

// acceptedThenClosed is the server's word for an update whose workflow closed before it
// had answered.
const acceptedThenClosed = "AcceptedUpdateCompletedWorkflow"

// cancelling is the answer to a cancellation that goes on without the request.
type cancelling struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	URL     string `json:"statusUrl"`
}

// errNoWorkflow says that there is no running workflow to ask.
var errNoWorkflow = errors.New("no workflow is running")

// errContinued means that the update was taken, and that its outcome is the next run's.
var errContinued = errors.New("the order continued as new")

// cancelOrder cancels an order: 200 with its state when it is undone, 202 when that goes
// on, 409 when it is too late.
func (a *api) cancelOrder(w http.ResponseWriter, r *http.Request) error {
	id, err := orderID(r)
	if err != nil {
		return err
	}
	request, err := decode[workflows.CancelOrder](w, r)
	if err != nil {
		return err
	}
	if !order.ValidCode(request.Reason) {
		return badField("reason", "must be a code of 1 to 64 of [A-Za-z0-9._-]")
	}
	state, err := a.update(r.Context(), id, request)
	switch {
	case err == nil:
		return cancelled(w, state)
	case errors.Is(err, errNoWorkflow), errors.Is(err, errContinued), errors.Is(err, context.DeadlineExceeded), isOutage(err):
		return a.promise(w, r, id, request.Reason, errors.Is(err, errNoWorkflow))
	default:
		return err
	}
}

// promise answers for an order whose workflow has said nothing: with how it was closed,
// or with 202 once the wish to cancel is on its stream, where the bridge finds it.
func (a *api) promise(w http.ResponseWriter, r *http.Request, id, reason string, idle bool) error {
	var ended bool
	if idle { // asked before the row is read: what ends after that has closed its row
		var err error
		if ended, err = a.ended(r.Context(), id); err != nil && !isOutage(err) {
			return err
		}
	}
	row, err := a.rows.FindOrder(r.Context(), id)
	switch {
	case err == nil && row.Status.Final():
		return a.closed(w, r, row, idle)
	case err != nil && !errors.Is(err, postgres.ErrNotFound):
		return err
	case ended:
		return conflict("the order's workflow has ended without closing the order: an operator has to repair it (starter reconcile --fix)")
	}
	if err := a.request(r.Context(), id, reason); err != nil {
		return err
	}
	return goesOn(w, id)
}

// goesOn answers that a cancellation is on its way.
func goesOn(w http.ResponseWriter, id string) error {
	url := "/orders/" + id
	w.Header().Set("Location", url)
	return answer(w, http.StatusAccepted, cancelling{OrderID: id, Status: string(order.StatusCancelling), URL: url})
}

// closed answers for an order whose row is final. A canceled one is undone when its
// credit was seen to be released too, or when no workflow is left that would have to
// release it.
func (a *api) closed(w http.ResponseWriter, r *http.Request, row fulfillment.Row, idle bool) error {
	state, err := a.settled(r.Context(), row.State())
	if err != nil {
		return err
	}
	if state.Status == order.StatusCancelled && state.Credit == order.CreditReserved && !idle {
		return goesOn(w, row.OrderID)
	}
	return cancelled(w, state)
}

// ended reports whether the order's last workflow is over. One that has not begun is not.
func (a *api) ended(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	run, err := a.findRun(ctx, id)
	if errors.Is(err, errNoWorkflow) {
		return false, nil
	}
	return run.ended, err
}

// cancelled answers with an order that is closed.
func cancelled(w http.ResponseWriter, state order.State) error {
	if state.Status != order.StatusCancelled {
		return conflict(fmt.Sprintf("the order is %s", state.Status))
	}
	return answer(w, http.StatusOK, state)
}

// update asks the order's workflow to cancel and waits until that is done. It is
// errNoWorkflow when none runs, and context.DeadlineExceeded when it takes too long.
func (a *api) update(ctx context.Context, id string, request workflows.CancelOrder) (state order.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, a.cancelWait)
	defer cancel()
	run, err := a.findRun(ctx, id)
	switch {
	case err != nil && ctx.Err() != nil:
		return state, fmt.Errorf("cancel the order: %w", context.DeadlineExceeded)
	case err != nil:
		return state, err
	}
	failpoint.Hit("api.cancel.before")
	handle, err := a.workflows.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: workflows.CancelOrderMessage, Args: []any{request},
		UpdateID: cancelUpdateID, // the same again joins the one before
		// The run may continue as new meanwhile. Whatever else has the id by then does
		// not get the update.
		FirstExecutionRunID: run.chain,
		WaitForStage:        client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &state)
	}
	var refused *temporal.ApplicationError
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	switch {
	case err == nil:
		failpoint.Hit("api.cancel.after")
		return state, nil
	case isNotFound(err), errors.As(err, &refused) && refused.Type() == acceptedThenClosed:
		return state, errNoWorkflow
	case errors.As(err, &refused) && refused.Type() == workflows.Continued:
		return state, errContinued
	case errors.As(err, &refused) && refused.Type() == workflows.Refused:
		return state, conflict(refused.Message())
	case errors.As(err, &late), ctx.Err() != nil:
		return state, fmt.Errorf("cancel the order: %w", context.DeadlineExceeded)
	default:
		return state, fmt.Errorf("cancel the order: %w", err)
	}
}

// request puts the wish to cancel on the order's stream, unless one stands there already.
func (a *api) request(ctx context.Context, id, reason string) error {
	placed, err := a.placed(ctx, id)
	if err != nil {
		return err
	}
	data, err := json.Marshal(map[string]string{"orderId": id, "reason": reason})
	if err != nil {
		return fmt.Errorf("encode the request to cancel: %w", err)
	}
	event := kurrent.NewEvent{ID: uuid.New(), Type: order.TypeCancellationRequested, Data: data, Metadata: metadata(id, "")}
	for range placeTries {
		expected, there, err := a.requested(ctx, placed)
		if err != nil || there {
			return err
		}
		failpoint.Hit("api.request.before")
		_, err = appendOnce(ctx, a.streams, id, expected, event)
		if err == nil {
			failpoint.Hit("api.request.after")
		}
		if !errors.Is(err, kurrent.ErrWrongRevision) {
			return err
		}
	}
	return fmt.Errorf("request to cancel %s: %w", id, kurrent.ErrConflict)
}

// requested looks for a readable wish to cancel behind the order, and tells where one may
// be appended. One that stands before the order may have been given up.
func (a *api) requested(ctx context.Context, placed placement) (expected kurrent.Expected, there bool, err error) {
	expected = kurrent.At(placed.revision)
	err = a.streams.ReadStream(ctx, placed.order.OrderID, placed.revision, maxEvents, func(e kurrent.Event) error {
		expected = kurrent.At(e.Revision)
		if e.Type == order.TypeCancellationRequested {
			_, invalid := order.DecodeCancellation(e.Stream, e.ContentType, e.Data)
			there = there || invalid == nil
		}
		return nil
	})
	return expected, there, err
}
