package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/routes"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// maxRefusals is how many refusals in a row make the bridge look for the fault in the
// event.
const maxRefusals = 4

// attributesCached is how long the server may validate starts against stale search
// attributes after a repair. It may refuse good events for that long, so an event is
// parked only if its refusals span more.
const attributesCached = time.Minute

// errNotYet returns an event to the server because its order does not take it yet.
var errNotYet = errors.New("the order does not take the event yet")

// checkRefusal decides about an event that was refused repeatedly. It returns a
// routes.ParkError if the namespace is correct, errBlocked if it is not, and nil if the
// bridge could not find out.
func (b *bridge) checkRefusal(ctx context.Context, refusal error) error {
	err := b.checkNamespace(ctx)
	switch {
	case err == nil:
		return routes.ParkAfterReply("%s: %.512s", routes.ReasonRefused, routes.ServerMessage(refusal))
	case temporalclient.NeedsOperator(err):
		return fmt.Errorf("%w: %w", errBlocked, err)
	default:
		return nil
	}
}

// checkNamespace returns an error unless the namespace has what an order's start needs,
// and keeps the obstacle up to date. An outage leaves the obstacle unchanged.
func (b *bridge) checkNamespace(ctx context.Context) error {
	err := temporalclient.CheckNamespace(ctx, b.temporal, cmp.Or(b.namespace, client.DefaultNamespace), workflows.Input{}.SearchAttributes())
	var lacking *temporalclient.AttributesError
	switch {
	case err == nil:
		b.obstacles.set(obstacleNamespace, "", b.metrics, b.logger)
	case errors.As(err, &lacking):
		b.obstacles.set(obstacleNamespace, lacking.Error()+": "+lacking.Repair(), b.metrics, b.logger)
	case temporalclient.NeedsOperator(err):
		b.obstacles.set(obstacleNamespace, err.Error(), b.metrics, b.logger)
	}
	return err
}
