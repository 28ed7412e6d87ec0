package kurrent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// ByCategory is the system projection that links every event of a category into its $ce- stream.
const ByCategory = "$by_category"

// ProjectionStatus is whether a projection does its work.
type ProjectionStatus string

// What a projection can be.
const (
	ProjectionRunning ProjectionStatus = "running"
	ProjectionStopped ProjectionStatus = "stopped"
	ProjectionFaulted ProjectionStatus = "faulted"
	ProjectionChanges ProjectionStatus = "changes" // it is being started, stopped or loaded
	ProjectionAbsent  ProjectionStatus = "absent"  // the server runs no projections, or none of that name
)

// Projection asks the server whether a projection runs, which any user may. A server without projections is not an error,
// but ProjectionAbsent; a server that does not answer is ErrUnavailable.
func (c *Client) Projection(ctx context.Context, name string) (ProjectionStatus, error) {
	var text string
	var absent bool
	err := c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		projections := kurrentdb.NewProjectionClientFromExistingClient(client)
		described, err := projections.GetStatus(ctx, name, kurrentdb.GenericProjectionOptions{})
		if absent = isUnimplemented(err); absent {
			return nil
		}
		if err == nil {
			text = described.Status
		}
		return err
	})
	switch {
	case absent, errors.Is(err, ErrNotFound):
		return ProjectionAbsent, nil
	case err != nil:
		return "", fmt.Errorf("ask about projection %s: %w", name, err)
	}
	return projectionStatus(text), nil
}

// projectionStatus reads what the server says, which may have more behind its first word, as "Faulted (Enabled)".
func projectionStatus(text string) ProjectionStatus {
	for word, status := range map[string]ProjectionStatus{
		"Running": ProjectionRunning, "Stopped": ProjectionStopped, "Faulted": ProjectionFaulted,
	} {
		if strings.HasPrefix(text, word) {
			return status
		}
	}
	return ProjectionChanges
}
