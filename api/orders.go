package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"go.temporal.io/api/serviceerror"

	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/view"
	"orderflow/workflows"
)

// accepted is the answer to an order that was placed.
type accepted struct {
	OrderID string       `json:"orderId"`
	Status  order.Status `json:"status"`
}

// postOrder places an order: 201 for a new one, 200 for the same again.
func (a *api) postOrder(w http.ResponseWriter, r *http.Request) error {
	body, err := readBody(w, r)
	if err != nil {
		return err
	}
	s, err := newSubmission(body, a.now())
	if err != nil {
		return err
	}
	placed, err := place(r.Context(), a.streams, s, r.Header.Get("Traceparent"))
	if err != nil {
		return s.unsettled(w, err)
	}
	w.Header().Set("Location", "/orders/"+s.orderID)
	if placed {
		return answer(w, http.StatusCreated, accepted{s.orderID, order.StatusPending})
	}
	state, err := a.state(r.Context(), s.orderID)
	if err != nil {
		return s.unsettled(w, err)
	}
	return answer(w, http.StatusOK, accepted{s.orderID, state.Status})
}

// getOrder answers where an order stands.
func (a *api) getOrder(w http.ResponseWriter, r *http.Request) error {
	id, err := orderID(r)
	if err != nil {
		return err
	}
	state, err := a.state(r.Context(), id)
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, state)
}

func orderID(r *http.Request) (string, error) {
	id := r.PathValue("id")
	if !order.ValidID(id) {
		return "", badField("id", "must be order- and 1 to 120 of [A-Za-z0-9._-]")
	}
	return id, nil
}

// state asks PostgreSQL. An order that has no row there yet waits for its credit: its
// workflow says so, and before that has started, its stream.
func (a *api) state(ctx context.Context, id string) (order.State, error) {
	row, err := a.rows.FindOrder(ctx, id)
	switch {
	case err == nil:
		return a.settled(ctx, row.State())
	case !errors.Is(err, postgres.ErrNotFound):
		return order.State{}, err
	}
	placed, err := a.placed(ctx, id)
	if err != nil {
		return order.State{}, err
	}
	if state, err := a.ask(ctx, id); err == nil {
		return state, nil
	}
	return order.State{ // nobody has more to say about it than that it was placed
		OrderID: id, CustomerID: placed.order.CustomerID, Status: order.StatusPending, Total: placed.order.Total,
		Credit: order.CreditNone, Email: string(email.StatusNone), PlacedAt: placed.order.PlacedAt, UpdatedAt: placed.order.PlacedAt,
	}, nil
}

// settled takes from the view what the row cannot know: whether the credit was released.
// Until the view has read of it, it counts as reserved.
func (a *api) settled(ctx context.Context, state order.State) (order.State, error) {
	if state.Credit == order.CreditRefused {
		return state, nil
	}
	state.Credit = order.CreditReserved
	known, err := a.view.FindOrderView(ctx, state.OrderID)
	if err == nil && known.Order != nil && known.Order.CreditRevision != view.None {
		switch known.Order.Credit {
		case order.CreditReleased, order.CreditNone: // closed before anything was reserved
			state.Credit = known.Order.Credit
		}
	}
	return state, err
}

// placement is an order and where it stands on its stream.
type placement struct {
	order    order.Placed
	revision uint64
}

// placed reads the order from its stream.
func (a *api) placed(ctx context.Context, id string) (placement, error) {
	event, err := a.streams.FindPlaced(ctx, id)
	switch {
	case errors.Is(err, kurrent.ErrNotFound), errors.Is(err, kurrent.ErrDeleted):
		return placement{}, notFound("there is no such order")
	case err != nil:
		return placement{}, unreadable(err)
	}
	placed, err := order.DecodePlaced(event.Stream, event.ContentType, event.Data)
	return placement{placed, event.Revision}, err
}

// unreadable words what stands on the stream and is no order: the fault is not the
// request's.
func unreadable(err error) error {
	var invalid *order.InvalidError
	if errors.As(err, &invalid) {
		return notFound("what was placed with this id is no order: " + invalid.Error())
	}
	return err
}

// askTimeout bounds the question to a workflow, which is answered when a worker has time
// for it.
const askTimeout = 2 * time.Second

func (a *api) ask(ctx context.Context, id string) (state order.State, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	run, err := a.findRun(ctx, id)
	if err != nil {
		return state, err
	}
	value, err := a.workflows.QueryWorkflow(ctx, id, run.id, workflows.StatusQuery)
	if err != nil {
		return state, fmt.Errorf("ask the workflow: %w", err)
	}
	return state, value.Get(&state)
}

func isNotFound(err error) bool {
	var notFound *serviceerror.NotFound
	return errors.As(err, &notFound)
}
