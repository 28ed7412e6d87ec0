package e2e_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// recordHistories writes the histories of these tests for the replay test of package
// workflows: make record-histories.
var recordHistories = flag.Bool("record", false, "write the histories to workflows/testdata/histories")

// record writes a history under a new name, which begins with the rules of its order if it
// has any. It never overwrites an existing one, which represents orders started by older
// code.
func record(t *testing.T, name string, history *historypb.History) {
	t.Helper()
	if !*recordHistories || *secureSuite { // it is encrypted then
		return
	}
	if rules := rulesOf(t, history); rules > 0 {
		name = fmt.Sprintf("rules-%d-%s", rules, name)
	}
	path := filepath.Join("..", "..", "workflows", "testdata", "histories", name+".json")
	if _, err := os.Stat(path); err == nil {
		return
	}
	content, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(history)
	require.NoError(t, err)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, append(content, '\n'), 0o600))
}

// rulesOf returns the rules in a workflow's input.
func rulesOf(t *testing.T, history *historypb.History) int {
	t.Helper()
	var in struct {
		Rules int `json:"rules"`
	}
	started := history.GetEvents()[0].GetWorkflowExecutionStartedEventAttributes()
	require.NoError(t, converter.GetDefaultDataConverter().FromPayloads(started.GetInput(), &in))
	return in.Rules
}

// billableActions returns the number of actions as Temporal Cloud counts them, by
// https://docs.temporal.io/cloud/actions: the start, each timer, each signal and update,
// each upsert of search attributes, each attempt of an activity, and two for a child
// workflow. All markers of one workflow task, and so all its local activities, are one
// action; each heartbeat of the task counts again. The upsert that belongs to
// workflow.GetVersion is free. A query, which no history shows, is an action too.
func billableActions(history *historypb.History) int {
	n, tasks := 0, map[int64]bool{}
	for _, event := range history.GetEvents() {
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_TIMER_STARTED,
			enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
			n++
		case enums.EVENT_TYPE_ACTIVITY_TASK_STARTED: // recorded once, for the last attempt
			n += int(event.GetActivityTaskStartedEventAttributes().GetAttempt())
		case enums.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED:
			n += 2
		case enums.EVENT_TYPE_MARKER_RECORDED:
			tasks[event.GetMarkerRecordedEventAttributes().GetWorkflowTaskCompletedEventId()] = true
		case enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
			fields := event.GetUpsertWorkflowSearchAttributesEventAttributes().GetSearchAttributes().GetIndexedFields()
			if _, versions := fields["TemporalChangeVersion"]; !versions {
				n++
			}
		default:
		}
	}
	return n + len(tasks)
}

// completedTasks returns the number of workflow tasks that were completed.
func completedTasks(history *historypb.History) (n int) {
	for _, event := range history.GetEvents() {
		if event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED {
			n++
		}
	}
	return n
}

// payloadBytes returns the size of all payloads of a history, each as it is encoded on the
// wire: inputs, results and markers, messages, search attributes, memos, headers, and the
// summaries and details of the Web UI.
func payloadBytes(history *historypb.History) (n int) {
	_ = protorange.Range(history.ProtoReflect(), func(p protopath.Values) error {
		if message, ok := p.Index(-1).Value.Interface().(protoreflect.Message); ok {
			if payload, ok := message.Interface().(*commonpb.Payload); ok {
				n += proto.Size(payload)
			}
		}
		return nil
	})
	return n
}

// erase deletes an order's stream.
func (s *stackClient) erase(id string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), patience)
	defer cancel()
	_, err := s.events.DeleteStream(ctx, id, kurrentdb.DeleteStreamOptions{})
	require.NoError(s.t, err)
}
