package orders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// ErrUnknown says that nobody knows an order: it has not been started yet, or never will be.
var ErrUnknown = errors.New("order is not known")

// stateTimeout bounds one question about one order. A workflow answers when a worker has time for it.
const stateTimeout = 10 * time.Second

// Fulfillments finds the row of an order. The real one is postgres.Store.
type Fulfillments interface {
	FindFulfillment(ctx context.Context, orderID string) (fulfillment.Row, error)
}

// States asks where orders stand.
type States struct {
	Temporal client.Client
	Rows     Fulfillments
}

// State asks the order's workflow, and the database when Temporal does not know it: closed workflows are forgotten after
// a while. It is ErrUnknown when neither does.
func (s States) State(ctx context.Context, orderID string) (order.State, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	var state order.State
	answer, err := s.Temporal.QueryWorkflow(ctx, orderID, "", workflows.StatusQuery)
	if err == nil {
		err = answer.Get(&state)
	}
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return s.stored(ctx, orderID)
	}
	if err != nil {
		return order.State{}, fmt.Errorf("ask %s: %w", orderID, err)
	}
	return state, nil
}

func (s States) stored(ctx context.Context, orderID string) (order.State, error) {
	row, err := s.Rows.FindFulfillment(ctx, orderID)
	switch {
	case errors.Is(err, postgres.ErrNotFound):
		return order.State{}, ErrUnknown
	case err != nil:
		return order.State{}, err
	}
	return row.State(), nil
}
