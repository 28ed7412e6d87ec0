package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"example.com/catalog/video"
)

var recordHistories = flag.Bool("record", false, "write histories for the replay test of package process, unless they are there")

var identity = regexp.MustCompile(`("identity": *)"[^"]*"`) // process and host

// record writes the history of a video's workflow. It never overwrites one, which represents
// videos that older code began.
func (r *rig) record(name, id string) {
	r.Helper()
	path := filepath.Join("..", "process", "testdata", "histories", name+".json")
	if _, err := os.Stat(path); err == nil || !*recordHistories {
		return
	}
	history := &historypb.History{}
	events := r.temporal.GetWorkflowHistory(r.Context(), video.Stream(id), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		require.NoError(r, err)
		history.Events = append(history.Events, event)
	}
	content, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(history)
	require.NoError(r, err)
	require.NoError(r, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(r, os.WriteFile(path, append(identity.ReplaceAll(content, []byte(`$1"worker"`)), '\n'), 0o600))
}
