package bridge

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"orderflow/internal/kurrent"
)

// spanOf returns the span of an event that ends with a result or an error.
func spanOf(t *testing.T, e kurrent.Event, result Result, err error) sdktrace.ReadOnlySpan {
	t.Helper()
	recorder := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(recorder)).Tracer("")
	b := &Bridge{o: Options{Router: &Router{Routes: ticketRoutes("")}}, tracer: tracer}
	_, span := b.startSpan(t.Context(), &heldEvent{delivery: kurrent.Delivery{Event: &e}})
	endSpan(span, result, err)
	span.End()
	return recorder.Ended()[0]
}

func TestSpan_Name(t *testing.T) {
	t.Parallel()
	for eventType, want := range map[string]string{
		"ticket-opened":    "process ticket-opened",
		"mira@example.com": "process event", // a producer decides about types: any number of names, of persons even
	} {
		require.Equal(t, want, spanOf(t, kurrent.Event{Type: eventType}, Ignored, nil).Name())
	}
}

// The status has no text: the text of an error may hold more than an id, and an exporter
// leaves it out.
func TestSpan_Failure(t *testing.T) {
	t.Parallel()
	span := spanOf(t, kurrent.Event{Type: "ticket-opened"}, "", errors.New("connection refused"))
	require.Equal(t, sdktrace.Status{Code: codes.Error}, span.Status())
	require.Contains(t, span.Attributes(), attribute.String("error.type", ClassRetry.String()))
}

// starting is a Temporal without workflows. It records the trace that each is started in.
type starting struct {
	client.Client
	traces []trace.TraceID
}

func (s *starting) DescribeWorkflow(context.Context, string, string) (*client.WorkflowExecutionDescription, error) {
	return nil, serviceerror.NewNotFound("no such workflow")
}

func (s *starting) ExecuteWorkflow(ctx context.Context, _ client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	s.traces = append(s.traces, trace.SpanContextFromContext(ctx).TraceID())
	return nil, serviceerror.NewUnavailable("later")
}

func TestStart_Trace(t *testing.T) {
	t.Parallel()
	of := func(id byte) ([]byte, trace.TraceID) {
		traceID := trace.TraceID{id}
		return []byte(`{"traceparent":"00-` + traceID.String() + `-00f067aa0ba902b7-01"}`), traceID
	}
	openedMetadata, opened := of(1)
	notedMetadata, noted := of(2)
	ticket := newTicket()
	start := Start{Options: client.StartWorkflowOptions{ID: ticket, TaskQueue: "q"}, Workflow: ticketWorkflow}
	message := func(start Start) Action {
		return SignalWithStart{
			Signal: Signal{WorkflowID: ticket, Workflow: ticketWorkflow, Name: "note"},
			Start:  func(context.Context) (Action, error) { return start, nil },
		}
	}
	traced := start
	traced.Trace = Event{Metadata: openedMetadata}.Trace()
	for name, c := range map[string]struct {
		action   Action
		metadata []byte
		want     trace.TraceID
	}{
		"is that of the event, without a bridge":      {start, openedMetadata, opened},
		"is that of the message":                      {message(start), notedMetadata, noted},
		"is that of the event that the message names": {message(traced), notedMetadata, opened},
	} {
		temporal := &starting{}
		router := Router{Temporal: temporal, Routes: Routes{"e": func(context.Context, Event) (Action, error) { return c.action, nil }}}
		_, err := router.Apply(t.Context(), Event{ID: uuid.New(), Type: "e", Metadata: c.metadata})
		require.Error(t, err, name)
		require.Equal(t, []trace.TraceID{c.want}, temporal.traces, name)
	}
}
