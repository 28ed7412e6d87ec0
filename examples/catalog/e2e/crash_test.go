package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"

	"example.com/catalog/process"
	"example.com/catalog/video"
)

// TestCatalog_ProgramCrashes replaces ffmpeg. First the kernel seems to kill it, for the
// machine's memory is used up. Then it waits in the middle of its work.
func TestCatalog_ProgramCrashes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	talk := r.make(spoken)
	programs := r.linkPrograms("ffmpeg", "ffprobe", "pocketsphinx_continuous")
	ffmpeg, err := exec.LookPath("ffmpeg")
	require.NoError(t, err)
	crashed, work := filepath.Join(programs, "crashed"), filepath.Join(programs, "work")
	require.NoError(t, os.Remove(filepath.Join(programs, "ffmpeg")))
	require.NoError(t, os.WriteFile(filepath.Join(programs, "ffmpeg"), fmt.Appendf(nil, `#!/bin/sh
[ -e %[1]s ] || { : > %[1]s; kill -KILL $$; }
echo out_time_us=1000000
while [ ! -e %[2]s ]; do sleep 0.1; done
exec %[3]s "$@"
`, crashed, work, ffmpeg), 0o700))
	r.kill()
	r.start("PATH=" + programs)
	id := r.upload(talk)
	require.Eventually(t, func() bool { return len(r.failures(id)) > 0 }, patience, tick)
	require.Equal(t, []string{"Crashed"}, r.failures(id), "the workflow counts it")
	shown := regexp.MustCompile(`Convert the video <small>in progress, \d+ %<`)
	require.Eventually(t, func() bool { return shown.MatchString(r.page(id)) }, patience, tick) // one page at a time: the monitor's rate is limited
	require.NoError(t, os.WriteFile(work, nil, 0o600))
	require.Equal(t, video.StatusCataloged, r.awaitEnd(id).Status)
	require.Equal(t, cataloged, r.types(id))
	require.Equal(t, []string{"Crashed"}, r.failures(id))
	r.record("crashed", id)
}

// history returns the events of a video's workflow, none if there is no workflow yet.
func (r *rig) history(id string) (found []*historypb.HistoryEvent) {
	r.Helper()
	events := r.temporal.GetWorkflowHistory(r.Context(), video.Stream(id), "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return nil
		}
		found = append(found, event)
	}
	return found
}

// failures returns the types of failures of a video's steps that the server did not retry.
func (r *rig) failures(id string) (types []string) {
	r.Helper()
	for _, event := range r.history(id) {
		if failed := event.GetActivityTaskFailedEventAttributes(); failed != nil {
			types = append(types, failed.GetFailure().GetApplicationFailureInfo().GetType())
		}
	}
	return types
}

// timeouts returns the timeouts of a video's steps that the server did not retry.
func (r *rig) timeouts(id string) (types []enums.TimeoutType) {
	r.Helper()
	for _, event := range r.history(id) {
		if lost := event.GetActivityTaskTimedOutEventAttributes(); lost != nil {
			types = append(types, lost.GetFailure().GetTimeoutFailureInfo().GetTimeoutType())
		}
	}
	return types
}

// mediaQueues returns the task queues of the steps of a video that need its file.
func (r *rig) mediaQueues(id string) (queues []string) {
	r.Helper()
	for _, event := range r.history(id) {
		queue := event.GetActivityTaskScheduledEventAttributes().GetTaskQueue().GetName()
		if queue != "" && queue != process.TaskQueue {
			queues = append(queues, queue)
		}
	}
	return queues
}
