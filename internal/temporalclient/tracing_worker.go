package temporalclient

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/workflow"
)

// InterceptActivity traces each attempt at an activity.
func (t *tracing) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	attempts := &tracedAttempts{tracer: t.tracer}
	attempts.Next = next
	return attempts
}

type tracedAttempts struct {
	interceptor.ActivityInboundInterceptorBase
	tracer trace.Tracer
}

// ExecuteActivity traces an attempt at an activity, regular or local.
func (a *tracedAttempts) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	info := activity.GetInfo(ctx)
	ctx = trace.ContextWithRemoteSpanContext(ctx, readTrace(interceptor.Header(ctx)))
	// It begins now: info.StartedTime is by the server's clock, its end is by this machine's.
	ctx, span := a.tracer.Start(ctx, "RunActivity:"+info.ActivityType.Name, trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("temporalWorkflowID", info.WorkflowExecution.ID), attribute.String("temporalRunID", info.WorkflowExecution.RunID),
		attribute.String("temporalActivityID", info.ActivityID), attribute.Int("temporalAttempt", int(info.Attempt)),
	))
	result, err := a.Next.ExecuteActivity(ctx, in)
	endSpan(span, err)
	return result, err
}

// InterceptWorkflow passes the trace context of a run to what the run starts.
func (t *tracing) InterceptWorkflow(_ workflow.Context, next interceptor.WorkflowInboundInterceptor) interceptor.WorkflowInboundInterceptor {
	run := &tracedRun{tracer: t.tracer}
	run.Next = next
	return run
}

// tracedRun is one run of a workflow. It makes no commands of its own, so a history
// replays with and without it.
type tracedRun struct {
	interceptor.WorkflowInboundInterceptorBase
	tracer  trace.Tracer
	started trace.SpanContext // of the call that started the first run; invalid if that was not traced
	early   []func()          // makes the spans of messages that came before started was read
	begun   bool
}

// Init adds the interceptor of what the run starts.
func (r *tracedRun) Init(outbound interceptor.WorkflowOutboundInterceptor) error {
	steps := &tracedSteps{run: r}
	steps.Next = outbound
	return r.Next.Init(steps)
}

// ExecuteWorkflow reads the trace context from the history.
func (r *tracedRun) ExecuteWorkflow(ctx workflow.Context, in *interceptor.ExecuteWorkflowInput) (any, error) {
	r.started, r.begun = readTrace(interceptor.WorkflowHeader(ctx)), true
	for _, span := range r.early {
		span()
	}
	r.early = nil
	return r.Next.ExecuteWorkflow(ctx, in)
}

// HandleSignal traces that a signal has arrived.
func (r *tracedRun) HandleSignal(ctx workflow.Context, in *interceptor.HandleSignalInput) error {
	r.received(ctx, "HandleSignal:"+in.SignalName)
	return r.Next.HandleSignal(ctx, in)
}

// ExecuteUpdate traces that an update was accepted. What it does may take until a later
// workflow task, on another worker.
func (r *tracedRun) ExecuteUpdate(ctx workflow.Context, in *interceptor.UpdateInput) (any, error) {
	r.received(ctx, "HandleUpdate:"+in.Name)
	return r.Next.ExecuteUpdate(ctx, in)
}

// received makes the span of a message in the trace of its sender, with a link to that of
// the run.
func (r *tracedRun) received(ctx workflow.Context, name string) {
	if workflow.IsReplaying(ctx) {
		return
	}
	execution, sender := workflow.GetInfo(ctx).WorkflowExecution, readTrace(interceptor.WorkflowHeader(ctx))
	if r.begun {
		r.makeSpan(name, execution, sender)
		return
	}
	r.early = append(r.early, func() { r.makeSpan(name, execution, sender) })
}

func (r *tracedRun) makeSpan(name string, execution workflow.Execution, sender trace.SpanContext) {
	options := []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(
		attribute.String("temporalWorkflowID", execution.ID), attribute.String("temporalRunID", execution.RunID),
	)}
	if r.started.IsValid() {
		options = append(options, trace.WithLinks(trace.Link{SpanContext: r.started}))
	}
	_, span := r.tracer.Start(trace.ContextWithRemoteSpanContext(context.Background(), sender), name, options...)
	span.End()
}

// tracedSteps passes the run's trace context on.
type tracedSteps struct {
	interceptor.WorkflowOutboundInterceptorBase
	run *tracedRun
}

func (s *tracedSteps) pass(ctx workflow.Context) {
	writeTrace(interceptor.WorkflowHeader(ctx), s.run.started)
}

// ExecuteActivity starts an activity.
func (s *tracedSteps) ExecuteActivity(ctx workflow.Context, activityType string, args ...any) workflow.Future {
	s.pass(ctx)
	return s.Next.ExecuteActivity(ctx, activityType, args...)
}

// ExecuteLocalActivity starts a local activity.
func (s *tracedSteps) ExecuteLocalActivity(ctx workflow.Context, activityType string, args ...any) workflow.Future {
	s.pass(ctx)
	return s.Next.ExecuteLocalActivity(ctx, activityType, args...)
}

// ExecuteChildWorkflow starts a child.
func (s *tracedSteps) ExecuteChildWorkflow(ctx workflow.Context, workflowType string, args ...any) workflow.ChildWorkflowFuture {
	s.pass(ctx)
	return s.Next.ExecuteChildWorkflow(ctx, workflowType, args...)
}

// SignalExternalWorkflow signals another workflow.
func (s *tracedSteps) SignalExternalWorkflow(ctx workflow.Context, workflowID, runID, signalName string, arg any) workflow.Future {
	s.pass(ctx)
	return s.Next.SignalExternalWorkflow(ctx, workflowID, runID, signalName, arg)
}

// NewContinueAsNewError continues the run in another.
func (s *tracedSteps) NewContinueAsNewError(ctx workflow.Context, workflowType any, args ...any) error {
	s.pass(ctx)
	return s.Next.NewContinueAsNewError(ctx, workflowType, args...)
}
