package temporalclient_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"orderflow/internal/temporalclient"
)

// tracedClient returns a client whose spans, and those of its workers, are recorded.
func tracedClient(t *testing.T, traced bool) (client.Client, *tracetest.SpanRecorder) {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	options := client.Options{HostPort: servers.Temporal(t)}
	if traced {
		options.Interceptors = temporalclient.Tracing(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))
	}
	c, err := client.DialContext(t.Context(), options)
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, recorder
}

func step(context.Context) error { return nil }

// child has a step. If it is a child, it signals its parent.
func child(ctx workflow.Context) error {
	if parent := workflow.GetInfo(ctx).ParentWorkflowExecution; parent != nil {
		if err := workflow.SignalExternalWorkflow(ctx, parent.ID, "", "told", nil).Get(ctx, nil); err != nil {
			return err
		}
	}
	return workflow.ExecuteActivity(workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute}), "child-step").Get(ctx, nil)
}

// run has every kind of step, waits for a message, and continues as new once.
func run(ctx workflow.Context, again bool) error {
	released := false
	if err := workflow.SetUpdateHandler(ctx, "change", func(workflow.Context) error { released = true; return nil }); err != nil {
		return err
	}
	local := workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{StartToCloseTimeout: time.Minute})
	if err := workflow.ExecuteLocalActivity(local, "local-step").Get(ctx, nil); err != nil {
		return err
	}
	if again {
		return workflow.NewContinueAsNewError(ctx, "run", false)
	}
	workflow.GetSignalChannel(ctx, "release").Receive(ctx, nil)
	if err := workflow.Await(ctx, func() bool { return released }); err != nil {
		return err
	}
	return workflow.ExecuteChildWorkflow(ctx, "child").Get(ctx, nil)
}

func hostTraced(t *testing.T, c client.Client, queue string) {
	t.Helper()
	w := worker.New(c, queue, worker.Options{DisableRegistrationAliasing: true, WorkflowPanicPolicy: worker.FailWorkflow})
	w.RegisterWorkflowWithOptions(run, workflow.RegisterOptions{Name: "run"})
	w.RegisterWorkflowWithOptions(child, workflow.RegisterOptions{Name: "child"})
	for _, name := range []string{"local-step", "child-step"} {
		w.RegisterActivityWithOptions(step, activity.RegisterOptions{Name: name})
	}
	require.NoError(t, w.Start())
	t.Cleanup(w.Stop)
}

// spanNames returns the ended spans as "name < parent" or "name ~ linked", by names.
func spanNames(spans []sdktrace.ReadOnlySpan) map[string]int {
	names := map[trace.SpanID]string{}
	for _, s := range spans {
		names[s.SpanContext().SpanID()] = s.Name()
	}
	found := map[string]int{}
	for _, s := range spans {
		found[s.Name()+" < "+names[s.Parent().SpanID()]]++
		for _, link := range s.Links() {
			found[s.Name()+" ~ "+names[link.SpanContext.SpanID()]]++
		}
	}
	return found
}

func TestTracing_GraphOfWorkflow(t *testing.T) {
	t.Parallel()
	c, recorder := tracedClient(t, true)
	queue := uuid.NewString()
	hostTraced(t, c, queue)
	started, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, "run", true)
	require.NoError(t, err)
	require.EventuallyWithT(t, func(now *assert.CollectT) {
		newest, err := c.DescribeWorkflow(t.Context(), queue, "")
		require.NoError(now, err)
		require.NotEqual(now, started.GetRunID(), newest.WorkflowExecution.RunID)
	}, time.Minute, 20*time.Millisecond)
	require.NoError(t, c.SignalWorkflow(t.Context(), queue, "", "release", nil))
	update, err := c.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: queue, UpdateName: "change", WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	require.NoError(t, err)
	require.NoError(t, update.Get(t.Context(), nil))
	require.NoError(t, started.Get(t.Context(), nil))

	require.Equal(t, map[string]int{
		"StartWorkflow:run < ":                          1,
		"RunActivity:local-step < StartWorkflow:run":    2,
		"RunActivity:child-step < StartWorkflow:run":    1,
		"SignalWorkflow:release < ":                     1,
		"HandleSignal:release < SignalWorkflow:release": 1,
		"HandleSignal:release ~ StartWorkflow:run":      1,
		"HandleSignal:told < StartWorkflow:run":         1,
		"HandleSignal:told ~ StartWorkflow:run":         1,
		"UpdateWorkflow:change < ":                      1,
		"HandleUpdate:change < UpdateWorkflow:change":   1,
		"HandleUpdate:change ~ StartWorkflow:run":       1,
	}, spanNames(recorder.Ended()))
}

// otherClock shows activities the time of a server whose clock differs.
type otherClock struct {
	interceptor.WorkerInterceptorBase
	by time.Duration
}

func (o *otherClock) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &otherClockInbound{interceptor.ActivityInboundInterceptorBase{Next: next}, o.by}
}

type otherClockInbound struct {
	interceptor.ActivityInboundInterceptorBase
	by time.Duration
}

func (o *otherClockInbound) Init(outbound interceptor.ActivityOutboundInterceptor) error {
	return o.Next.Init(&otherClockOutbound{interceptor.ActivityOutboundInterceptorBase{Next: outbound}, o.by})
}

type otherClockOutbound struct {
	interceptor.ActivityOutboundInterceptorBase
	by time.Duration
}

func (o *otherClockOutbound) GetInfo(ctx context.Context) activity.Info {
	info := o.Next.GetInfo(ctx)
	info.StartedTime = info.StartedTime.Add(o.by)
	return info
}

// A span has the times of one clock: with two, it could end before it begins.
func TestTracing_ServerClock(t *testing.T) {
	t.Parallel()
	for _, by := range []time.Duration{-time.Hour, time.Hour} {
		recorder := tracetest.NewSpanRecorder()
		traced := temporalclient.Tracing(sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)))[0].(interceptor.Interceptor)
		env := (&testsuite.WorkflowTestSuite{}).NewTestActivityEnvironment()
		env.SetWorkerOptions(worker.Options{Interceptors: []interceptor.WorkerInterceptor{&otherClock{by: by}, traced}})
		env.RegisterActivity(step)
		_, err := env.ExecuteActivity(step)
		require.NoError(t, err)
		span := recorder.Ended()[0]
		require.WithinRange(t, span.StartTime(), span.EndTime().Add(-time.Minute), span.EndTime(), by)
	}
}

func TestTracing_Toggled(t *testing.T) {
	t.Parallel()
	traced, recorder := tracedClient(t, true)
	plain, _ := tracedClient(t, false)
	for name, c := range map[string]struct{ starter, worker client.Client }{
		"started with tracing, run without": {traced, plain},
		"started without tracing, run with": {plain, traced},
	} {
		queue := uuid.NewString()
		hostTraced(t, c.worker, queue)
		started, err := c.starter.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: queue, TaskQueue: queue}, "child")
		require.NoError(t, err, name)
		require.NoError(t, started.Get(t.Context(), nil), name)
	}
	require.Equal(t, map[string]int{"StartWorkflow:child < ": 1, "RunActivity:child-step < ": 1}, spanNames(recorder.Ended()))
}
