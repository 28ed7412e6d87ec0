package e2e

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"

	"github.com/stretchr/testify/require"
	historypb "go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"
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
	history := &historypb.History{Events: r.history(id)}
	require.NotEmpty(r, history.GetEvents())
	content, err := protojson.MarshalOptions{Multiline: true, Indent: " "}.Marshal(history)
	require.NoError(r, err)
	require.NoError(r, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(r, os.WriteFile(path, append(identity.ReplaceAll(content, []byte(`$1"worker"`)), '\n'), 0o600))
}
