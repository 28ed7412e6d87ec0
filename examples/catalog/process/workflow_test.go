package process

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"

	"example.com/catalog/video"
)

const videoID = "5f3c8a52-7d0c-4a6e-8a55-0c0d5cf0a001"

// run runs the workflow with activities that do what the test says, and returns its outcome
// with the names and task queues of the activities it called.
func run(t *testing.T, location string, fail map[string]error, after func(*testsuite.TestWorkflowEnvironment)) (Outcome, error, []string) {
	t.Helper()
	env := (&testsuite.WorkflowTestSuite{}).NewTestWorkflowEnvironment()
	var calls []string
	record := func(ctx context.Context) string {
		info := activity.GetInfo(ctx)
		calls = append(calls, info.ActivityType.Name+" on "+info.TaskQueue)
		return info.ActivityType.Name
	}
	step := func(ctx context.Context, _ string) error { return fail[record(ctx)] }
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

// The server ends a step whose worker is gone by its timeout, also after a cancellation.
func TestCatalogVideo_CanceledWithoutWorker(t *testing.T) {
	lost := temporal.NewHeartbeatTimeoutError()
	var cancel func()
	_, err, calls := run(t, "", map[string]error{transcodeActivity: lost}, func(env *testsuite.TestWorkflowEnvironment) {
		cancel = env.CancelWorkflow
		env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, _ converter.EncodedValues) {
			if info.ActivityType.Name == transcodeActivity {
				cancel()
			}
		})
	})
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, "Fail on catalog", calls[len(calls)-1])
}
