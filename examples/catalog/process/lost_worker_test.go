package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// The server ends a step whose worker is gone by its timeout, also after a cancellation. The
// test environment does not wait for a canceled activity, so an interceptor does.
func TestCatalogVideo_CanceledWithoutWorker(t *testing.T) {
	lost := &lostWorker{}
	_, err, calls := run(t, "", nil, func(env *testsuite.TestWorkflowEnvironment) {
		env.SetWorkerOptions(workerOptions(lost))
		env.RegisterDelayedCallback(env.CancelWorkflow, time.Minute)
	})
	require.Equal(t, 1, lost.steps, "it is not begun again")
	require.True(t, temporal.IsCanceledError(err), "%v", err)
	require.Equal(t, []string{"Start on catalog", "Fail on catalog"}, calls)
}

// lostWorker is an interceptor under which the step that transcodes ends by its heartbeat
// timeout, once it was canceled.
type lostWorker struct {
	interceptor.WorkerInterceptorBase
	steps int
}

func (l *lostWorker) InterceptWorkflow(ctx workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	in := &lostInbound{lost: l}
	in.Next = next
	return in
}

type lostInbound struct {
	interceptor.WorkflowInboundInterceptorBase
	lost *lostWorker
}

func (in *lostInbound) Init(next interceptor.WorkflowOutboundInterceptor) error {
	out := &lostOutbound{lost: in.lost}
	out.Next = next
	return in.Next.Init(out)
}

type lostOutbound struct {
	interceptor.WorkflowOutboundInterceptorBase
	lost *lostWorker
}

func (out *lostOutbound) ExecuteActivity(ctx workflow.Context, name string, args ...any) workflow.Future {
	if name != transcodeActivity {
		return out.Next.ExecuteActivity(ctx, name, args...)
	}
	out.lost.steps++
	future, ended := workflow.NewFuture(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		ctx.Done().Receive(ctx, nil)
		ended.SetError(temporal.NewHeartbeatTimeoutError())
	})
	return future
}
