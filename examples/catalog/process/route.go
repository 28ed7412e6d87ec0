package process

import (
	"context"

	"go.temporal.io/sdk/client"

	"orderflow/bridge"

	"example.com/catalog/video"
)

// CommandStream is the stream of links to all commands, which the system projection
// $by_category fills.
const CommandStream = "$ce-" + video.CommandCategory

// Group is the group of the persistent subscription.
const Group = "catalog"

// Routes returns the routes of commands.
func Routes() bridge.Routes { return bridge.Routes{video.TypeCatalog: route} }

// route starts the workflow of a command. A further command for the same video has no
// effect. The memo shows the trace id in the Web UI.
func route(_ context.Context, e bridge.Event) (bridge.Action, error) {
	command, err := video.ParseCommand(message(e))
	if err != nil {
		return nil, bridge.Park("%s: %s", bridge.ReasonInvalid, err)
	}
	return bridge.Start{
		Options: client.StartWorkflowOptions{
			ID: video.Stream(command.VideoID), TaskQueue: TaskQueue,
			Memo: map[string]any{"traceId": video.MetadataOf(message(e)).TraceID},
		},
		Workflow: WorkflowType, Args: []any{Input{VideoID: command.VideoID}},
		Conflict: func(string) error { return nil },
	}, nil
}

// Done returns the function that reports whether a command's video has ended. Temporal
// forgets a workflow some time after its end, and a group that is created again delivers
// every command again.
func Done(messages Reader) func(context.Context, bridge.Event) (bool, error) {
	return func(ctx context.Context, e bridge.Event) (bool, error) {
		command, err := video.ParseCommand(message(e))
		if err != nil {
			return false, nil //nolint:nilerr // the route parks it
		}
		v, err := read(ctx, messages, command.VideoID)
		if isFault(err) {
			return false, nil // the workflow fails of it, where an operator sees that
		}
		return err == nil && v.Status.Ended(), err
	}
}

func message(e bridge.Event) video.Message {
	return video.Message{
		ID: e.ID, Stream: e.Stream, Revision: e.Revision, Position: e.Revision,
		Type: e.Type, Data: e.Data, Metadata: e.Metadata, Time: e.Created,
	}
}
