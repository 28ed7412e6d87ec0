package replay

import (
	"context"
	"errors"
	"slices"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/protobuf/proto"
)

const (
	// readTimeout bounds reading one history, the client's retries included.
	readTimeout = 30 * time.Second

	// maxEvents and maxBytes bound one history. A server terminates a workflow at 51,200
	// events or 50 MB unless it was configured otherwise.
	maxEvents = 60_000
	maxBytes  = 64 << 20
)

var errTooLarge = errors.New("its history is too large: over 60000 events or 64 MiB")

// read reads the history of a run up to the last workflow task that has ended, and what
// followed it.
func read(ctx context.Context, c client.Client, e execution) (*history.History, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	found, size := &history.History{}, 0
	events := c.GetWorkflowHistory(ctx, e.WorkflowID, e.RunID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil, err
		}
		if size += proto.Size(event); size > maxBytes || len(found.Events) == maxEvents {
			return nil, errTooLarge
		}
		found.Events = append(found.Events, event)
	}
	found.Events = cutRunningTask(found.Events)
	return found, nil
}

// cutRunningTask removes a workflow task that was running when the history was read: the
// events that its commands lead to are not recorded yet. The SDK's replayer would not
// fail there, but would not compare the commands of the task before it either.
func cutRunningTask(events []*history.HistoryEvent) []*history.HistoryEvent {
	for i, event := range slices.Backward(events) {
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_TASK_STARTED:
			return events[:i]
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, enums.EVENT_TYPE_WORKFLOW_TASK_FAILED, enums.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT:
			return events
		default:
		}
	}
	return events
}

// hasEndedTask reports whether a workflow task has completed, so that there is something
// to compare.
func hasEndedTask(h *history.History) bool {
	return slices.ContainsFunc(h.Events, func(e *history.HistoryEvent) bool {
		return e.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
	})
}
