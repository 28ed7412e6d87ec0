package kurrent

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// System projections.
const (
	ByCategory    = "$by_category"       // links every event of a category into its $ce- stream
	ByCorrelation = "$by_correlation_id" // links every event with a $correlationId into that id's $bc- stream
)

// ProjectionStatus is the state of a projection.
type ProjectionStatus string

// The states of a projection.
const (
	ProjectionRunning ProjectionStatus = "running"
	ProjectionStopped ProjectionStatus = "stopped"
	ProjectionFaulted ProjectionStatus = "faulted"
	ProjectionChanges ProjectionStatus = "changes" // being started, stopped or loaded
	ProjectionAbsent  ProjectionStatus = "absent"  // the server runs no projections, or none of that name
)

// Projection returns the state of a projection, which any user may read. For a server
// without projections it returns ProjectionAbsent and no error. It returns ErrUnavailable
// if the server does not respond.
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

// projectionStatus parses the server's text, which may continue after the first word, as
// in "Faulted (Enabled)".
func projectionStatus(text string) ProjectionStatus {
	for word, status := range map[string]ProjectionStatus{
		"Running": ProjectionRunning, "Stopped": ProjectionStopped, "Aborted": ProjectionStopped, "Faulted": ProjectionFaulted,
	} {
		if strings.HasPrefix(text, word) {
			return status
		}
	}
	return ProjectionChanges
}
