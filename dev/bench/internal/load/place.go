package load

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"orderflow/bridge"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
)

// appends is how many appends are in flight.
const appends = 32

// Append places orders in KurrentDB, each on its own stream.
func Append(ctx context.Context, events *kurrent.Client, orders []Order) error {
	return Each(ctx, appends, orders, func(ctx context.Context, o Order) error { return AppendOne(ctx, events, o) })
}

// AppendOne places one order in KurrentDB.
func AppendOne(ctx context.Context, events *kurrent.Client, o Order) error {
	_, err := events.Append(ctx, o.ID, kurrent.NoStream(), o.Event())
	return err
}

// Each calls a function for each order, with so many calls in flight. It returns the first
// error, after which it starts no more calls.
func Each(ctx context.Context, inFlight int, orders []Order, call func(context.Context, Order) error) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(inFlight)
	for _, o := range orders {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error { return call(ctx, o) })
	}
	return group.Wait()
}

// Starter starts workflows as the product's starter does, with nothing around the calls.
type Starter struct {
	temporal client.Client
	route    bridge.Route
}

// NewStarter returns a Starter that uses a client.
func NewStarter(temporal client.Client) Starter {
	router := routes.New(temporal, client.Options{}, nil, config.Attributes{}) // orders are looked up for later events of a stream only
	return Starter{temporal: temporal, route: router.Routes[order.TypePlaced]}
}

// Prepare returns the start that the product's own route returns for an order, so that both
// sides of a comparison start the same workflows with the same options.
func (s Starter) Prepare(ctx context.Context, o Order) (bridge.Start, error) {
	action, err := s.route(ctx, o.delivered())
	if err != nil {
		return bridge.Start{}, err
	}
	start, ok := action.(bridge.Start)
	if !ok {
		return bridge.Start{}, fmt.Errorf("the route of %s starts nothing: %T", order.TypePlaced, action)
	}
	// As the bridge sets them.
	start.Options.WorkflowIDReusePolicy = enums.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE
	start.Options.WorkflowIDConflictPolicy = enums.WORKFLOW_ID_CONFLICT_POLICY_FAIL
	start.Options.WorkflowExecutionErrorWhenAlreadyStarted = true
	return start, nil
}

// Start starts the workflow of an order.
func (s Starter) Start(ctx context.Context, o Order) error {
	start, err := s.Prepare(ctx, o)
	if err != nil {
		return err
	}
	_, err = s.temporal.ExecuteWorkflow(ctx, start.Options, start.Workflow, start.Args...)
	return err
}
