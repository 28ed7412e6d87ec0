package e2e

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/bridge"

	"example.com/catalog/check"
	"example.com/catalog/process"
	"example.com/catalog/video"
)

// facts collects what the stores hold.
func (r *rig) facts(uploads []check.Upload) check.Facts {
	r.Helper()
	return check.Facts{
		Uploads: uploads, Streams: r.readStreams(), Rows: r.readRows(), Files: r.readFiles(), Open: r.openWorkflows(), Parked: r.countParked(),
	}
}

func (r *rig) readStreams() map[string][]check.Event {
	all, err := r.events.ReadAll(r.Context(), kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, math.MaxInt64)
	require.NoError(r, err)
	defer all.Close()
	streams := map[string][]check.Event{}
	for {
		event, err := all.Recv()
		if errors.Is(err, io.EOF) {
			return streams
		}
		require.NoError(r, err)
		e := event.OriginalEvent()
		category, _, _ := strings.Cut(e.StreamID, "-")
		if slices.Contains([]string{video.Category, video.CommandCategory, video.ViewingCategory}, category) {
			streams[e.StreamID] = append(streams[e.StreamID], check.Event{Type: e.EventType, Data: e.Data, Metadata: e.UserMetadata})
		}
	}
}

func (r *rig) readRows() map[string]check.Row {
	rows, err := r.database.Query(r.Context(), `SELECT id, status, reason, transcript, file, coalesce(views, 0)
		FROM videos LEFT JOIN viewings ON video_id = id`)
	require.NoError(r, err)
	defer rows.Close()
	found := map[string]check.Row{}
	for rows.Next() {
		var id string
		var row check.Row
		require.NoError(r, rows.Scan(&id, &row.Status, &row.Reason, &row.Transcript, &row.File, &row.Views))
		found[id] = row
	}
	require.NoError(r, rows.Err())
	return found
}

// readFiles returns the digests of the catalog's files, and of what is left in its folder of
// temporary ones.
func (r *rig) readFiles() map[string]string {
	found := map[string]string{}
	require.NoError(r, filepath.WalkDir(r.folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || slices.Contains([]string{"id", "lock"}, entry.Name()) {
			return err
		}
		content, err := os.ReadFile(path)
		digest := sha256.Sum256(content)
		found[entry.Name()] = hex.EncodeToString(digest[:])
		return err
	}))
	return found
}

func (r *rig) openWorkflows() (ids []string) {
	list, err := r.temporal.ListWorkflow(r.Context(), &workflowservice.ListWorkflowExecutionsRequest{Query: "ExecutionStatus = 'Running'"})
	require.NoError(r, err)
	for _, execution := range list.GetExecutions() {
		ids = append(ids, execution.GetExecution().GetWorkflowId())
	}
	return ids
}

func (r *rig) countParked() (count int) {
	events, err := bridge.Connect(r.eventURL, bridge.ConnectOptions{AllowPlaintext: true})
	require.NoError(r, err)
	defer events.Close()
	require.NoError(r, events.Parked(process.CommandStream, process.Group).List(r.Context(), 0, 0, func(bridge.ParkedEvent) error {
		count++
		return nil
	}))
	return count
}
