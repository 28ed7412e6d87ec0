package bridge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/client"

	"orderflow/internal/temporalclient"
)

// maxRefusals is how many refusals in a row make the bridge look for the fault in the
// event.
const maxRefusals = 4

// attributesCached is how long the server may validate starts against stale search
// attributes after a repair. It may refuse good events for that long, so an event is
// parked only if its refusals span more.
const attributesCached = time.Minute

// checkRefusal decides about an event that was refused repeatedly. It returns a
// ParkError if the namespace is correct, errBlocked if it is not, and nil if the
// bridge could not find out.
func (b *Bridge) checkRefusal(ctx context.Context, refusal error) error {
	err := b.checkNamespace(ctx)
	switch {
	case err == nil:
		return ParkAfterReply("%s: %.512s", ReasonRefused, ServerMessage(refusal))
	case temporalclient.NeedsOperator(err):
		return fmt.Errorf("%w: %w", errBlocked, err)
	default:
		return nil
	}
}

// checkNamespace returns an error unless the namespace has what a start needs,
// and keeps the obstacle up to date. An outage leaves the obstacle unchanged.
func (b *Bridge) checkNamespace(ctx context.Context) error {
	err := temporalclient.CheckNamespace(ctx, b.o.Router.Temporal, cmp.Or(b.o.Router.Namespace, client.DefaultNamespace), b.o.SearchAttributes)
	var lacking *temporalclient.AttributesError
	switch {
	case err == nil:
		b.clearObstacle(obstacleNamespace)
	case errors.As(err, &lacking):
		b.setObstacle(obstacleNamespace, lacking.Error()+": "+lacking.Repair())
	case temporalclient.NeedsOperator(err):
		b.setObstacle(obstacleNamespace, err.Error())
	}
	return err
}
