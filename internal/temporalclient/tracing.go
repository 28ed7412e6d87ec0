package temporalclient

import (
	"context"
	"errors"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"
)

// tracerHeader is the header in which every Temporal SDK passes a trace context.
const tracerHeader = "_tracer-data"

// Tracing returns the interceptors that trace calls, messages and activities, for a client
// and its workers.
//
// The SDK's own interceptor makes a span of each run of a workflow. That span begins again
// with each replay, lasts for weeks, and is lost with the worker that began it, and then
// the spans below it have no parent. Here a run has no span. Its activities, children and
// the run that continues it hang from the span of the call that started the first run,
// whose context is in the history. A message has a span in the trace of its sender, with a
// link to the one of the order.
func Tracing(provider trace.TracerProvider) []interceptor.ClientInterceptor {
	return []interceptor.ClientInterceptor{&tracing{tracer: provider.Tracer("orderflow/temporal")}}
}

type tracing struct {
	interceptor.InterceptorBase
	tracer trace.Tracer
}

// InterceptClient traces the calls of a client.
func (t *tracing) InterceptClient(next interceptor.ClientOutboundInterceptor) interceptor.ClientOutboundInterceptor {
	calls := &tracedCalls{tracer: t.tracer}
	calls.Next = next
	return calls
}

type tracedCalls struct {
	interceptor.ClientOutboundInterceptorBase
	tracer trace.Tracer
}

// begin starts the span of a call and passes its context to the workflow. The returned
// function ends it.
func (c *tracedCalls) begin(ctx context.Context, operation, name, workflowID string) (context.Context, func(error)) {
	ctx, span := c.tracer.Start(ctx, operation+":"+name, trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("temporalWorkflowID", workflowID)))
	writeTrace(interceptor.Header(ctx), span.SpanContext())
	return ctx, func(err error) { endSpan(span, err) }
}

// ExecuteWorkflow traces the start of a workflow.
func (c *tracedCalls) ExecuteWorkflow(ctx context.Context, in *interceptor.ClientExecuteWorkflowInput) (client.WorkflowRun, error) {
	ctx, end := c.begin(ctx, "StartWorkflow", in.WorkflowType, in.Options.ID)
	run, err := c.Next.ExecuteWorkflow(ctx, in)
	end(err)
	return run, err
}

// SignalWorkflow traces a signal.
func (c *tracedCalls) SignalWorkflow(ctx context.Context, in *interceptor.ClientSignalWorkflowInput) error {
	ctx, end := c.begin(ctx, "SignalWorkflow", in.SignalName, in.WorkflowID)
	err := c.Next.SignalWorkflow(ctx, in)
	end(err)
	return err
}

// SignalWithStartWorkflow traces a signal that may start its workflow.
func (c *tracedCalls) SignalWithStartWorkflow(
	ctx context.Context, in *interceptor.ClientSignalWithStartWorkflowInput,
) (client.WorkflowRun, error) {
	ctx, end := c.begin(ctx, "SignalWithStartWorkflow", in.WorkflowType, in.Options.ID)
	run, err := c.Next.SignalWithStartWorkflow(ctx, in)
	end(err)
	return run, err
}

// UpdateWorkflow traces an update.
func (c *tracedCalls) UpdateWorkflow(ctx context.Context, in *interceptor.ClientUpdateWorkflowInput) (client.WorkflowUpdateHandle, error) {
	ctx, end := c.begin(ctx, "UpdateWorkflow", in.UpdateName, in.WorkflowID)
	handle, err := c.Next.UpdateWorkflow(ctx, in)
	end(err)
	return handle, err
}

// UpdateWithStartWorkflow traces an update that may start its workflow.
func (c *tracedCalls) UpdateWithStartWorkflow(
	ctx context.Context, in *interceptor.ClientUpdateWithStartWorkflowInput,
) (client.WorkflowUpdateHandle, error) {
	ctx, end := c.begin(ctx, "UpdateWithStartWorkflow", in.UpdateOptions.UpdateName, in.UpdateOptions.WorkflowID)
	handle, err := c.Next.UpdateWithStartWorkflow(ctx, in)
	end(err)
	return handle, err
}

// endSpan ends a span. The text of an error may hold more than an id, so the span has only
// its type.
func endSpan(span trace.Span, err error) {
	if err != nil {
		kind := fmt.Sprintf("%T", err)
		if failure, ok := errors.AsType[*temporal.ApplicationError](err); ok && failure.Type() != "" {
			kind = failure.Type()
		}
		span.SetAttributes(attribute.String("error.type", kind))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}

// writeTrace adds a trace context to the header of a call. The header has nothing else,
// so it need not be encrypted.
func writeTrace(header map[string]*common.Payload, from trace.SpanContext) {
	if header == nil || !from.IsValid() {
		return
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(trace.ContextWithSpanContext(context.Background(), from), carrier)
	delete(carrier, "tracestate")
	if payload, err := converter.GetDefaultDataConverter().ToPayload(map[string]string(carrier)); err == nil {
		header[tracerHeader] = payload
	}
}

// readTrace returns the trace context of a header, which any client may have written, or
// an invalid one if there is none that can be read.
func readTrace(header map[string]*common.Payload) trace.SpanContext {
	var carrier map[string]string
	payload := header[tracerHeader]
	if payload == nil || converter.GetDefaultDataConverter().FromPayload(payload, &carrier) != nil {
		return trace.SpanContext{}
	}
	delete(carrier, "tracestate")
	return trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier(carrier)))
}
