package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// cancelUpdateID is the update id of every cancellation by HTTP. A run is canceled once,
// by the first request.
const cancelUpdateID = "http-" + workflows.CancelOrderMessage

// endedUnclosed is why an order without a workflow takes no message.
const endedUnclosed = "the order's workflow has ended without closing the order: an operator has to repair it (orderflow reconcile --fix)"

// cancelling is the response to a cancellation that continues after the request.
type cancelling struct {
	OrderID string `json:"orderId"`
	Status  string `json:"status"`
	URL     string `json:"statusUrl"`
}

// cancelOrder cancels an order. It responds with 200 and the order's state if the
// cancellation finished, with 202 if it continues, and with 409 if it is too late.
func (a *api) cancelOrder(w http.ResponseWriter, r *http.Request) error {
	id, err := orderID(r)
	if err != nil {
		return err
	}
	concernsOrder(r, id)
	request, err := decode[workflows.CancelOrder](w, r)
	if err != nil {
		return err
	}
	if !order.ValidCode(request.Reason) {
		return badField("reason", order.ErrInvalidCode.Error())
	}
	failpoint.Hit("api.cancel.before")
	state, err := a.update(r.Context(), id, orderMessage{workflows.CancelOrderMessage, cancelUpdateID, request})
	if err == nil {
		failpoint.Hit("api.cancel.after")
	}
	switch {
	case err == nil:
		return cancelled(w, state)
	case errors.Is(err, errNoWorkflow), errors.Is(err, errContinued), errors.Is(err, context.DeadlineExceeded), isOutage(err):
		return a.acceptCancellation(w, r, id, request.Reason, errors.Is(err, errNoWorkflow))
	default:
		return err
	}
}

// acceptCancellation responds for an order whose workflow did not return a result. If the
// order is closed, the response depends on how. Otherwise it appends a cancellation
// request to the order's stream, where the bridge finds it, and responds with 202. idle
// means that no workflow is running.
func (a *api) acceptCancellation(w http.ResponseWriter, r *http.Request, id, reason string, idle bool) error {
	var ended bool
	if idle { // check before reading the row: a workflow that ends later has closed its row
		var err error
		if ended, err = a.ended(r.Context(), id); err != nil && !isOutage(err) {
			return err
		}
	}
	state, err := a.rows.FindState(r.Context(), id)
	switch {
	case err == nil && state.Status.Final():
		return a.closed(w, r, state, idle)
	case err != nil && !errors.Is(err, postgres.ErrNotFound):
		return err
	case ended:
		return conflict(endedUnclosed)
	}
	if err := a.request(r.Context(), id, reason); err != nil {
		return err
	}
	return writeAccepted(w, id)
}

// writeAccepted responds that the cancellation continues.
func writeAccepted(w http.ResponseWriter, id string) error {
	url := "/orders/" + id
	w.Header().Set("Location", url)
	return writeJSON(w, http.StatusAccepted, cancelling{OrderID: id, Status: string(order.StatusCancelling), URL: url})
}

// closed responds for an order whose row is final. A canceled order counts as finished if
// the view has its credit as released, or if no workflow is left that would have to
// release it (idle).
func (a *api) closed(w http.ResponseWriter, r *http.Request, state order.State, idle bool) error {
	state, err := a.withCreditFromView(r.Context(), state)
	if err != nil {
		return err
	}
	if state.Status == order.StatusCancelled && state.Credit == order.CreditReserved && !idle {
		return writeAccepted(w, state.OrderID)
	}
	return cancelled(w, state)
}

// ended reports whether the order's last workflow has ended. It returns false if there
// never was one.
func (a *api) ended(ctx context.Context, id string) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	run, err := a.findRun(ctx, id)
	if errors.Is(err, errNoWorkflow) {
		return false, nil
	}
	return run.ended, err
}

// cancelled responds for a closed order: with its state if it was canceled, otherwise
// with a conflict.
func cancelled(w http.ResponseWriter, state order.State) error {
	if state.Status != order.StatusCancelled {
		return conflict(fmt.Sprintf("the order is %s", state.Status))
	}
	return writeJSON(w, http.StatusOK, state)
}

// request appends a cancellation request to the order's stream, unless the stream already
// has one.
func (a *api) request(ctx context.Context, id, reason string) error {
	placed, err := a.loadPlaced(ctx, id)
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
		_, err = appendOnce(ctx, a.streams, order.Stream(id), expected, event)
		if err == nil {
			failpoint.Hit("api.request.after")
		}
		if !errors.Is(err, kurrent.ErrWrongRevision) {
			return err
		}
	}
	return fmt.Errorf("request to cancel %s: %w", id, kurrent.ErrWrongRevision)
}

// requested reports whether a readable cancellation request follows the order, and
// returns the revision at which to append one. A request before the order does not count:
// it may have been given up.
func (a *api) requested(ctx context.Context, placed placement) (expected kurrent.Expected, there bool, err error) {
	expected = kurrent.At(placed.revision)
	err = a.streams.ReadStream(ctx, order.Stream(placed.order.OrderID), placed.revision, maxEvents, func(e kurrent.Event) error {
		expected = kurrent.At(e.Revision)
		if e.Type == order.TypeCancellationRequested {
			_, invalid := order.DecodeCancellation(e.Stream, e.ContentType, e.Data)
			there = there || invalid == nil
		}
		return nil
	})
	return expected, there, err
}
