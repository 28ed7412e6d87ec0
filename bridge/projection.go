package bridge

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"orderflow/internal/kurrent"
)

// categoryStream is the prefix of the streams that $by_category fills.
const categoryStream = "$ce-"

// checkProjection asks whether the server fills the subscription's stream, and sets the
// obstacle if it does not. The bridge joins the group all the same, for events linked
// before are still delivered. It returns an error if the status cannot be read, but not
// for a user who may not read it.
func (b *Bridge) checkProjection(ctx context.Context) error {
	if !strings.HasPrefix(b.o.Subscription.Stream, categoryStream) {
		return nil
	}
	status, err := b.events.Projection(ctx, kurrent.ByCategory)
	if errors.Is(err, kurrent.ErrAccessDenied) {
		b.projectionDenied.Do(func() {
			b.o.Logger.Warn("not allowed to read the projection's status", "projection", kurrent.ByCategory, "error", err)
		})
		return nil
	}
	if err != nil {
		return err
	}
	b.setObstacle(obstacleProjection, projectionProblem(b.o.Subscription.Stream, status))
	return nil
}

// projectionProblem returns why nothing fills a category's stream and how to repair it.
// It returns an empty string for a running projection.
func projectionProblem(stream string, status kurrent.ProjectionStatus) string {
	remedy := map[kurrent.ProjectionStatus]string{
		kurrent.ProjectionAbsent:  "restart KurrentDB with RunProjections=System and StartStandardProjections=true",
		kurrent.ProjectionStopped: "enable it as a user in $ops, or restart KurrentDB with StartStandardProjections=true",
		kurrent.ProjectionFaulted: "repair what its state reason says, and disable and enable it as a user in $ops",
		kurrent.ProjectionChanges: "wait until it runs",
	}[status]
	if remedy == "" {
		return ""
	}
	return fmt.Sprintf("projection %s is %s, so no new event reaches %s: %s", kurrent.ByCategory, status, stream, remedy)
}
