package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/api/serviceerror"

	"orderflow/internal/correlation"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
	"orderflow/workflows"
)

// accepted is the response to a placed order.
type accepted struct {
	OrderID string       `json:"orderId"`
	Status  order.Status `json:"status"`
}

// postOrder places an order. It responds with 201 for a new order and with 200 for a
// repeated request.
func (a *api) postOrder(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	s, err := newSubmission(body, a.now())
	if err != nil {
		return err
	}
	placed, err := place(r.Context(), a.streams, s, cmp.Or(correlation.Traceparent(r.Context()), r.Header.Get("Traceparent")))
	if err != nil {
		return s.withOrderID(w, err)
	}
	w.Header().Set("Location", "/orders/"+s.orderID)
	if placed {
		return writeJSON(w, http.StatusCreated, accepted{s.orderID, order.StatusPending})
	}
	state, err := a.state(r.Context(), s.orderID)
	if err != nil {
		return s.withOrderID(w, err)
	}
	return writeJSON(w, http.StatusOK, accepted{s.orderID, state.Status})
}

// getOrder responds with the state of an order.
func (a *api) getOrder(w http.ResponseWriter, r *http.Request) error {
	id, err := orderID(r)
	if err != nil {
		return err
	}
	state, err := a.state(r.Context(), id)
	if err != nil {
		return err
	}
	return writeJSON(w, http.StatusOK, state)
}

func orderID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !order.ValidID(id) {
		return "", badField("id", order.ErrInvalidID.Error())
	}
	return id, nil
}

// state returns the state of an order from its row in PostgreSQL. An order without a row
// is still waiting for its credit: then the state comes from its workflow, or from its
// stream if no workflow reports it. It returns a 404 if there is no such order.
func (a *api) state(ctx context.Context, id string) (order.State, error) {
	state, err := a.rows.FindState(ctx, id)
	switch {
	case err == nil:
		return a.withCreditFromView(ctx, state)
	case !errors.Is(err, postgres.ErrNotFound):
		return order.State{}, err
	}
	placed, err := a.loadPlaced(ctx, id)
	if err != nil {
		return order.State{}, err
	}
	state, err = a.queryState(ctx, id)
	switch {
	case err == nil:
		return state, nil
	case !errors.Is(err, errNoWorkflow):
		a.logger.WarnContext(ctx, "cannot query an order's workflow", "error", err) // without its id, like every log of the api
	}
	return order.State{ // all that is known is that the order was placed
		OrderID: id, CustomerID: placed.order.CustomerID, Status: order.StatusPending, Total: placed.order.Total,
		Credit: order.CreditNone, Email: string(email.StatusNone), PlacedAt: placed.order.PlacedAt, UpdatedAt: placed.order.PlacedAt,
	}, nil
}

// withCreditFromView adds from the view what the row does not contain: whether the credit was
// released. The credit counts as reserved until the view has read the release.
func (a *api) withCreditFromView(ctx context.Context, state order.State) (order.State, error) {
	if state.Credit == order.CreditRefused {
		return state, nil
	}
	state.Credit = order.CreditReserved
	known, err := a.view.FindOrder(ctx, state.OrderID)
	if err == nil && known.Order != nil && known.Order.CreditRevision != view.None {
		switch known.Order.Credit {
		case order.CreditReleased, order.CreditNone: // closed before anything was reserved
			state.Credit = known.Order.Credit
		}
	}
	return state, err
}

// placement is an order and its revision on its stream.
type placement struct {
	order    order.Placed
	revision uint64
}

// loadPlaced reads the order from its stream. It returns a 404 if there is none, or if it
// cannot be decoded.
func (a *api) loadPlaced(ctx context.Context, id string) (placement, error) {
	event, err := a.streams.FindPlaced(ctx, order.Stream(id))
	switch {
	case kurrent.IsGone(err):
		return placement{}, notFound("there is no such order")
	case err != nil:
		return placement{}, unreadable(err)
	}
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	return placement{placed, event.Revision}, err
}

// unreadable maps an undecodable stored order to a 404: the request itself was fine.
func unreadable(err error) error {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return notFound("the order placed with this id cannot be decoded: " + invalid.Error())
	}
	return err
}

// queryTimeout limits a call about a workflow. A query waits until a worker has time for
// it.
const queryTimeout = 2 * time.Second

func (a *api) queryState(ctx context.Context, id string) (state order.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	run, err := a.findRun(ctx, id)
	if err != nil {
		return state, err
	}
	value, err := a.workflows.QueryWorkflow(ctx, id, run.id, workflows.StatusQuery)
	if err != nil {
		return state, fmt.Errorf("query the workflow: %w", err)
	}
	return state, value.Get(&state)
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
