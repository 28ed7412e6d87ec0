package replay_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/internal/replay"
)

func unchanged(*replay.Options) {}

// only returns the counts of the one workflow type in a report.
func only(t *testing.T, report *replay.Report) replay.Type {
	t.Helper()
	require.Len(t, report.Types, 1)
	return *report.Types[0]
}

func TestRun(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t)
	stop := r.work(waiting, worker.Options{})
	t.Cleanup(stop)
	ids := []string{r.startSignaled(), r.startSignaled(), r.startSignaled()}

	t.Run("replays good histories", func(t *testing.T) {
		report, err := r.run(3, unchanged)
		require.NoError(t, err)
		require.Equal(t, replay.Type{Type: waitingType, Known: true, Found: 3, Sampled: 3, Replayed: 3}, only(t, report))
		require.Zero(t, report.Left)
		require.Empty(t, report.Problems)
		var out bytes.Buffer
		require.NoError(t, report.Print(&out))
		require.Regexp(t, `(?m)^Waiting +3 +0 +3 +3 +0 +0 +0 +0$`, out.String())
	})
	t.Run("finds a workflow whose code has changed", func(t *testing.T) {
		report, err := r.run(3, func(o *replay.Options) { o.Register = register(changed) })
		require.NoError(t, err)
		require.Equal(t, replay.Type{Type: waitingType, Known: true, Found: 3, Sampled: 3, Failed: 3}, only(t, report))
		require.Equal(t, 3, report.Left)
		var named []string
		for _, p := range report.Problems {
			named = append(named, p.WorkflowID)
			require.EqualValues(t, "non-determinism", p.Problem)
			require.NotEmpty(t, p.RunID)
			require.Contains(t, p.Detail, "a matching Timer command was expected")
			require.NotContains(t, p.Detail, "\n")
		}
		require.ElementsMatch(t, ids, named)
	})
	t.Run("draws a sample", func(t *testing.T) {
		report, err := r.run(3, func(o *replay.Options) { o.Sample = 2 })
		require.NoError(t, err)
		require.Equal(t, replay.Type{Type: waitingType, Known: true, Found: 3, Sampled: 2, Replayed: 2}, only(t, report))
	})
	t.Run("names a workflow type that the build does not have", func(t *testing.T) {
		report, err := r.run(3, func(o *replay.Options) { o.Register = func(worker.WorkflowRegistry) {} })
		require.NoError(t, err)
		require.Equal(t, replay.Type{Type: waitingType, Found: 3, Failed: 3}, only(t, report))
		require.Equal(t, 3, report.Left)
		require.Len(t, report.Problems, 1)
		require.EqualValues(t, "unknown-type", report.Problems[0].Problem)
		require.Contains(t, ids, report.Problems[0].WorkflowID)
		require.Contains(t, report.Problems[0].Detail, "no workflow type Waiting, of which there are 3")
	})
	t.Run("finds none", func(t *testing.T) {
		report, err := r.run(3, func(o *replay.Options) { o.Query += ` AND WorkflowId="none"` })
		require.NoError(t, err)
		require.Empty(t, report.Types)
		var out bytes.Buffer
		require.NoError(t, report.Print(&out))
		require.True(t, strings.HasPrefix(out.String(), "there are none: TaskQueue="), out.String())
	})
	t.Run("says that the server rejects the query", func(t *testing.T) {
		_, err := r.run(3, func(o *replay.Options) { o.Query = "ExecutionStatus = " })
		require.ErrorIs(t, err, replay.ErrQuery)
	})
	t.Run("ends when a history may not be read", func(t *testing.T) {
		c := r.dialRefusing(t, ids[1], status.Error(codes.PermissionDenied, "Request unauthorized."))
		report, err := r.run(3, func(o *replay.Options) { o.Temporal = c })
		require.ErrorContains(t, err, "read the history of Waiting "+ids[1]+": Request unauthorized.")
		require.Equal(t, 3, only(t, report).Sampled)
		require.Less(t, only(t, report).Replayed, 3)
	})
	t.Run("ends when a replay takes too long, which does not make the code incompatible", func(t *testing.T) {
		held := make(chan struct{})
		t.Cleanup(func() { close(held) })
		report, err := r.run(3, func(o *replay.Options) {
			o.ReplayTimeout = 100 * time.Millisecond
			o.Register = register(func(workflow.Context) (string, error) { <-held; return "", nil })
		})
		require.ErrorContains(t, err, "its replay takes too long")
		require.Positive(t, only(t, report).Unread)
		require.Zero(t, report.Left)
	})
	t.Run("counts a workflow that was deleted meanwhile", func(t *testing.T) {
		c := r.dialRefusing(t, ids[1], status.Error(codes.NotFound, "workflow not found"))
		report, err := r.run(3, func(o *replay.Options) { o.Temporal = c })
		require.NoError(t, err)
		require.Equal(t, replay.Type{Type: waitingType, Known: true, Found: 3, Sampled: 3, Replayed: 2, Gone: 1}, only(t, report))
		require.Zero(t, report.Left)
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := replay.Run(ctx, replay.Options{Temporal: r.client, Register: register(waiting), Query: "", Sample: 1})
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestReport(t *testing.T) {
	report := replay.Report{Types: []*replay.Type{{Type: waitingType}}, Problems: make([]replay.Problem, 102)}
	for i := range report.Problems {
		report.Problems[i].WorkflowID = fmt.Sprintf("order-%d", i)
	}
	var out bytes.Buffer
	require.NoError(t, report.Print(&out))
	require.Contains(t, out.String(), "\norder-99 ")
	require.True(t, strings.HasSuffix(out.String(), "\nand 2 more\n"), out.String())
	encoded, err := json.Marshal(&report)
	require.NoError(t, err)
	require.Equal(t, 102, bytes.Count(encoded, []byte(`"workflowId":"order-`)), "-o json lists all")
}

// dialRefusing returns a client whose reads of one workflow's history fail.
func (r *replayRig) dialRefusing(t *testing.T, id string, err error) client.Client {
	t.Helper()
	refuse := func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		if read, ok := req.(*workflowservice.GetWorkflowExecutionHistoryRequest); ok && read.GetExecution().GetWorkflowId() == id {
			return err
		}
		return invoke(ctx, method, req, reply, cc, opts...)
	}
	c, dialErr := client.Dial(client.Options{
		HostPort: servers.Temporal(t), Logger: slog.New(slog.DiscardHandler),
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{grpc.WithChainUnaryInterceptor(refuse)}},
	})
	require.NoError(t, dialErr)
	t.Cleanup(c.Close)
	return c
}

// A workflow task is running while the history is read. What was completed before is
// still compared: the SDK's replayer alone would accept the changed workflow.
func TestRun_RunningTask(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t)
	stop := r.work(waiting, worker.Options{})
	id := r.startSignaled()
	stop()
	r.signal(id)
	r.beginTask()
	kinds := r.kinds(id)
	require.Equal(t, enums.EVENT_TYPE_WORKFLOW_TASK_STARTED, kinds[len(kinds)-1])

	report, err := r.run(1, unchanged)
	require.NoError(t, err)
	require.Equal(t, 1, only(t, report).Replayed, "%+v", report.Problems)

	report, err = r.run(1, func(o *replay.Options) { o.Register = register(changed) })
	require.NoError(t, err)
	require.Equal(t, 1, only(t, report).Failed)
}

func TestRun_FirstTask(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t)
	r.start()
	report, err := r.run(1, unchanged)
	require.NoError(t, err)
	require.Equal(t, replay.Type{Type: waitingType, Known: true, Found: 1, Sampled: 1, New: 1}, only(t, report))

	r.beginTask()
	report, err = r.run(1, unchanged)
	require.NoError(t, err)
	require.Equal(t, 1, only(t, report).New)
	require.Zero(t, report.Left)
}

func TestRun_ClosedRuns(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t)
	t.Cleanup(r.work(continuing, worker.Options{}))
	id := r.start()
	for range 3 {
		r.awaitWaiting(id)
		r.signal(id)
	}
	require.NoError(t, r.client.GetWorkflow(t.Context(), id, "").Get(t.Context(), nil))
	terminated := r.start()
	r.awaitWaiting(terminated)
	require.NoError(t, r.client.TerminateWorkflow(t.Context(), terminated, "", "test"))

	report, err := r.run(4, func(o *replay.Options) { o.Register = register(continuing) })
	require.NoError(t, err)
	require.Equal(t, 4, only(t, report).Replayed, "%+v", report.Problems)

	report, err = r.run(4, func(o *replay.Options) { o.Register = register(waiting) })
	require.NoError(t, err)
	require.Equal(t, 2, only(t, report).Failed, "the two runs that continued as new")
}

// A pinned workflow stays on its version, so it is no reason to keep another from
// becoming current.
func TestRun_Pinned(t *testing.T) {
	t.Parallel()
	r := newReplayRig(t)
	version := worker.WorkerDeploymentVersion{DeploymentName: "d-" + uuid.NewString(), BuildID: "1"}
	t.Cleanup(r.work(waiting, worker.Options{DeploymentOptions: worker.DeploymentOptions{UseVersioning: true, Version: version}}))
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		_, err := r.client.WorkerDeploymentClient().GetHandle(version.DeploymentName).SetCurrentVersion(t.Context(),
			client.WorkerDeploymentSetCurrentVersionOptions{BuildID: version.BuildID})
		require.NoError(c, err)
	}, patience, 100*time.Millisecond)
	r.startSignaled()
	require.EventuallyWithT(t, func(c *assert.CollectT) {
		report, err := r.run(1, func(o *replay.Options) { o.Register = register(changed) })
		require.NoError(c, err)
		require.Equal(c, replay.Type{Type: waitingType, Known: true, Found: 1, Pinned: 1}, *report.Types[0])
		require.Zero(c, report.Left)
	}, patience, 100*time.Millisecond)

	report, err := r.run(1, func(o *replay.Options) { o.Register, o.Pinned = register(changed), true })
	require.NoError(t, err)
	require.Equal(t, replay.Type{Type: waitingType, Known: true, Found: 1, Sampled: 1, Failed: 1}, only(t, report))
}
