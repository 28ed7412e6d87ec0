package e2e_test

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
)

// recordHistories writes the histories of these tests for the replay test of package
// workflows: make record-histories.
var recordHistories = flag.Bool("record", false, "write the histories to workflows/testdata/histories")

// record writes a history under a new name. It never overwrites an existing one, which
// represents orders started by older code.
func record(t *testing.T, name string, history *historypb.History) {
	t.Helper()
	if !*recordHistories {
		return
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

// billableActions returns the number of actions as Temporal Cloud counts them: the start,
// each activity and timer, each message, each change of search attributes. Source:
// docs.temporal.io/cloud/actions.
func billableActions(history *historypb.History) int {
	n := 0
	for _, event := range history.GetEvents() {
		switch event.GetEventType() {
		case enums.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, enums.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED, enums.EVENT_TYPE_TIMER_STARTED,
			enums.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
			enums.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES:
			n++
		default:
		}
	}
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
