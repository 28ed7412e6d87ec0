package process

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"example.com/catalog/media"
	"example.com/catalog/messages"
	"example.com/catalog/video"
)

const videoID = "5f3c8a52-7d0c-4a6e-8a55-0c0d5cf0a001"

// workerOptions are those of the test environment. A busy machine is no deadlock.
func workerOptions(interceptors ...interceptor.WorkerInterceptor) worker.Options {
	return worker.Options{Interceptors: interceptors, DeadlockDetectionTimeout: time.Minute}
}

// run runs the workflow with activities that do what the test says, and returns its outcome
// with the names and task queues of the activities it called.
func run(t *testing.T, location string, fail map[string]error, after func(*testsuite.TestWorkflowEnvironment)) (Outcome, error, []string) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	env.SetWorkerOptions(workerOptions())
	var calls []string
	record := func(ctx context.Context) string {
		info := activity.GetInfo(ctx)
		calls = append(calls, info.ActivityType.Name+" on "+info.TaskQueue)
		return info.ActivityType.Name
	}
	step := func(ctx context.Context, _ string) error {
		err := fail[record(ctx)]
		var turns *inTurn
		if errors.As(err, &turns) {
			return turns.next()
		}
		return err
	}
	env.RegisterActivityWithOptions(func(ctx context.Context, _ string) (string, error) {
		return location, fail[record(ctx)]
	}, activity.RegisterOptions{Name: startActivity})
	for _, name := range []string{transcodeActivity, transcribeActivity} {
		env.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: name})
	}
	env.RegisterActivityWithOptions(func(ctx context.Context, _ string) (Outcome, error) {
		record(ctx)
		return Outcome{Status: video.StatusCataloged}, nil
	}, activity.RegisterOptions{Name: finishActivity})
	env.RegisterActivityWithOptions(func(ctx context.Context, _ string, failure Outcome) (Outcome, error) {
		record(ctx)
		return failure, nil
	}, activity.RegisterOptions{Name: failActivity})
	env.RegisterWorkflowWithOptions(CatalogVideo, workflow.RegisterOptions{Name: WorkflowType})
	env.SetStartWorkflowOptions(startOptions())
	if after != nil {
		after(env)
	}
	env.ExecuteWorkflow(WorkflowType, Input{VideoID: videoID})
	require.True(t, env.IsWorkflowCompleted())
	var outcome Outcome
	err := env.GetWorkflowError()
	if err == nil {
		require.NoError(t, env.GetWorkflowResult(&outcome))
	}
	return outcome, err, calls
}

// inTurn is a list of errors: each attempt returns the next, and nil after the last.
type inTurn struct {
	error
	all []error
}

func (t *inTurn) next() error {
	if len(t.all) == 0 {
		return nil
	}
	err := t.all[0]
	t.all = t.all[1:]
	return err
}

func TestCatalogVideo(t *testing.T) {
	unusable := classify(&mediaUnusable)
	for name, c := range map[string]struct {
		location string
		fail     map[string]error
		want     Outcome
		calls    []string
	}{
		"runs steps with the file where the file is": {
			location: "here", want: Outcome{Status: video.StatusCataloged},
			calls: []string{"Start on catalog", "Transcode on catalog-media-here", "Transcribe on catalog-media-here", "Finish on catalog"},
		},
		"runs them on any worker if all share the files": {
			want:  Outcome{Status: video.StatusCataloged},
			calls: []string{"Start on catalog", "Transcode on catalog-media", "Transcribe on catalog-media", "Finish on catalog"},
		},
		"ends with the reason of a file that cannot be used": {
			fail:  map[string]error{transcodeActivity: unusable},
			want:  Outcome{Status: video.StatusFailed, Reason: video.ReasonBroken, Detail: "it ends early"},
			calls: []string{"Start on catalog", "Transcode on catalog-media", "Fail on catalog"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			outcome, err, calls := run(t, c.location, c.fail, nil)
			require.NoError(t, err)
			require.Equal(t, c.want, outcome)
			require.Equal(t, c.calls, calls)
		})
	}
}

func TestCatalogVideo_StepTimeout(t *testing.T) {
	disk := temporal.NewApplicationError("no space left on device", "DiskFull")
	outcome, err, calls := run(t, "", map[string]error{transcribeActivity: disk}, nil)
	require.NoError(t, err)
	require.Equal(t, video.ReasonElapsed, outcome.Reason)
	require.Equal(t, "No attempt succeeded within 72h0m0s.", outcome.Detail, "visitors read it, so it names no cause")
	require.Greater(t, len(calls), 10, "it was tried again")
}

func TestCatalogVideo_Crashes(t *testing.T) {
	crash, outage := classify(media.ErrCrashed), temporal.NewApplicationError("no space left on device", "DiskFull")
	t.Run("are counted", func(t *testing.T) {
		outcome, err, calls := run(t, "", map[string]error{transcodeActivity: crash}, nil)
		require.NoError(t, err)
		require.Equal(t, Outcome{
			Status: video.StatusFailed, Reason: video.ReasonCrashed, Detail: "Each of 6 attempts crashed, or took more than 1h0m0s.",
		}, outcome)
		require.Len(t, calls, 1+maxCrashes+1)
		require.Equal(t, "Fail on catalog", calls[len(calls)-1])
	})
	t.Run("are not used up by an outage", func(t *testing.T) {
		turns := slices.Repeat([]error{outage, outage, outage, crash}, maxCrashes-1)
		outcome, err, _ := run(t, "", map[string]error{transcribeActivity: &inTurn{all: turns}}, nil)
		require.NoError(t, err)
		require.Equal(t, video.StatusCataloged, outcome.Status)
	})
	t.Run("are counted for each step", func(t *testing.T) {
		turns := func() error { return &inTurn{all: slices.Repeat([]error{crash}, maxCrashes-1)} }
		outcome, err, _ := run(t, "", map[string]error{transcodeActivity: turns(), transcribeActivity: turns()}, nil)
		require.NoError(t, err)
		require.Equal(t, video.StatusCataloged, outcome.Status)
	})
	t.Run("wait for their turn no longer once canceled", func(t *testing.T) {
		_, err, calls := run(t, "", map[string]error{transcodeActivity: crash}, func(env *testsuite.TestWorkflowEnvironment) {
			env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
		})
		require.True(t, temporal.IsCanceledError(err), "%v", err)
		require.Equal(t, "Fail on catalog", calls[len(calls)-1])
		require.Less(t, len(calls), 1+maxCrashes+1)
	})
	t.Run("are not counted in workflows that began before", func(t *testing.T) {
		outcome, err, calls := run(t, "", map[string]error{transcodeActivity: crash}, func(env *testsuite.TestWorkflowEnvironment) {
			env.OnGetVersion(versionCountCrashes, workflow.DefaultVersion, workflow.Version(1)).Return(workflow.DefaultVersion)
		})
		require.NoError(t, err)
		require.Equal(t, video.ReasonElapsed, outcome.Reason)
		require.Greater(t, len(calls), 1+maxCrashes+1, "the server tries again")
	})
}

func TestIsCrash(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		want bool
	}{
		"the process is gone":   {temporal.NewHeartbeatTimeoutError(), true},
		"an attempt hangs":      {temporal.NewTimeoutError(enums.TIMEOUT_TYPE_START_TO_CLOSE, nil), true},
		"the time is up":        {temporal.NewTimeoutError(enums.TIMEOUT_TYPE_SCHEDULE_TO_CLOSE, nil), false},
		"a program is killed":   {classify(fmt.Errorf("ffmpeg: %w", media.ErrCrashed)), true},
		"the deadline is met":   {classify(fmt.Errorf("%w: killed", errOverdue)), true},
		"a store is away":       {classify(messages.ErrUnavailable), false},
		"a file cannot be used": {classify(&mediaUnusable), false},
		"success":               {nil, false},
	} {
		require.Equal(t, c.want, isCrash(c.err), name)
	}
}

func TestDelayAfter(t *testing.T) {
	for crashes, want := range map[int]time.Duration{1: 5 * time.Second, 2: 25 * time.Second, 5: 3125 * time.Second} {
		delay := delayAfter(crashes, videoID)
		require.InDelta(t, want, delay, float64(want/2))
		require.NotEqual(t, delay, delayAfter(crashes, "5f3c8a52-7d0c-4a6e-8a55-0c0d5cf0a002"))
	}
}

func TestCatalogVideo_FaultOfTheProgram(t *testing.T) {
	_, err, calls := run(t, "", map[string]error{startActivity: classify(errNoCommand)}, nil)
	require.Error(t, err, "an operator has to look at it")
	require.Equal(t, []string{"Start on catalog"}, calls, "no outcome is made up")
}

func TestCatalogVideo_Canceled(t *testing.T) {
	retried := temporal.NewApplicationError("again", "Again")
	_, err, calls := run(t, "", map[string]error{transcodeActivity: retried}, func(env *testsuite.TestWorkflowEnvironment) {
		env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	})
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, "Fail on catalog", calls[len(calls)-1])
}
