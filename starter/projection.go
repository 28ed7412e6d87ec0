package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"orderflow/internal/kurrent"
)

// checkProjection asks whether the server fills the subscription's stream, and notes the obstacle if it does not. What was
// linked before is delivered all the same, so the group is joined. Without an answer the error says why, and nothing is
// known; a user who may not ask is not held up.
func (b *bridge) checkProjection(ctx context.Context) error {
	if !strings.HasPrefix(b.settings.Stream, categoryStream) {
		return nil
	}
	status, err := b.events.Projection(ctx, kurrent.ByCategory)
	if errors.Is(err, kurrent.ErrAccessDenied) {
		b.mayNotAsk.Do(func() {
			b.logger.Warn("cannot ask whether the projection runs", "projection", kurrent.ByCategory, "error", err)
		})
		return nil
	}
	if err != nil {
		return err
	}
	b.obstacles.found(obstacleProjection, unfilled(b.settings.Stream, status), b.metrics, b.logger)
	return nil
}

// unfilled says why nothing fills a category's stream and what to do about it. It is empty for a projection that runs.
func unfilled(stream string, status kurrent.ProjectionStatus) string {
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
