package bridgeproperty_test

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
)

// outcomes are what the bridges have reported so far, by event. An event is its id in its
// stream: two streams may hold the same one.
type outcomes struct {
	t    *testing.T
	file *os.File
	rest string // of a line that is being written
	of   map[string][]bridge.Result
}

func newOutcomes(t *testing.T, path string) *outcomes {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDONLY, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = file.Close() })
	return &outcomes{t: t, file: file, of: map[string][]bridge.Result{}}
}

func (e *event) key() string { return e.stream + " " + e.ID.String() }

// read reads what was reported since the last call.
func (o *outcomes) read() {
	o.t.Helper()
	text, err := io.ReadAll(o.file)
	require.NoError(o.t, err)
	lines := strings.Split(o.rest+string(text), "\n")
	o.rest = lines[len(lines)-1]
	for _, line := range lines[:len(lines)-1] {
		cut := strings.LastIndexByte(line, ' ')
		o.of[line[:cut]] = append(o.of[line[:cut]], bridge.Result(line[cut+1:]))
	}
}

// without returns the events that no bridge has reported an outcome of, as of the last
// read.
func (o *outcomes) without(events []*event) (waiting []*event) {
	for _, e := range events {
		if !e.unlinked && len(o.of[e.key()]) == 0 {
			waiting = append(waiting, e)
		}
	}
	return waiting
}
