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

// ErrUnknown reports that neither Temporal nor the database knows an order: it has not
// been started yet, or never will be.
var ErrUnknown = errors.New("order is unknown")

// stateTimeout bounds the query of one order. A workflow responds when a worker has time
// for it.
const stateTimeout = 10 * time.Second

// Fulfillments finds the row of an order. postgres.Store implements it.
type Fulfillments interface {
	FindFulfillment(ctx context.Context, orderID string) (fulfillment.Row, error)
}

// States returns the states of orders.
type States struct {
	Temporal client.Client
	Rows     Fulfillments
}

// State queries the order's workflow. If Temporal does not know it, State reads the
// database: Temporal deletes closed workflows after their retention. It returns
// ErrUnknown if neither knows the order.
func (s States) State(ctx context.Context, orderID string) (order.State, error) {
	ctx, cancel := context.WithTimeout(ctx, stateTimeout)
	defer cancel()
	var state order.State
	response, err := s.Temporal.QueryWorkflow(ctx, orderID, "", workflows.StatusQuery)
	if err == nil {
		err = response.Get(&state)
	}
	var notFound *serviceerror.NotFound
	if errors.As(err, &notFound) {
		return s.stored(ctx, orderID)
	}
	if err != nil {
		return order.State{}, fmt.Errorf("query %s: %w", orderID, err)
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
