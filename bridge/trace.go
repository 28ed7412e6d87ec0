package bridge

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
)

// startSpan starts the span of an event, from its delivery to its outcome, by the semantic
// conventions for messaging. Its parent is what the event's metadata names. A tracing
// interceptor of Temporal's client makes it the parent of the workflow's spans. Producers
// choose the types of events, so its name has only those with a route.
func (b *Bridge) startSpan(ctx context.Context, t *heldEvent) (context.Context, trace.Span) {
	name, attributes := "process event", []attribute.KeyValue{
		attribute.String("messaging.system", "kurrentdb"),
		attribute.String("messaging.operation.name", "process"), attribute.String("messaging.operation.type", "process"),
		attribute.String("messaging.destination.subscription.name", b.o.Subscription.Stream),
		attribute.String("messaging.consumer.group.name", b.o.Subscription.Group),
	}
	if e := t.delivery.Event; e != nil && !isLink(e) {
		ctx = Event(*e).context(ctx)
		if _, routed := b.o.Router.Routes[e.Type]; routed {
			name = "process " + e.Type
		}
		attributes = append(attributes, attribute.String("messaging.destination.name", e.Stream), attribute.String("messaging.message.id", e.ID.String()))
		if id := Event(*e).Trace().CorrelationID; id != "" {
			attributes = append(attributes, attribute.String("messaging.message.conversation_id", id))
		}
	}
	return b.tracer.Start(ctx, name, trace.WithSpanKind(trace.SpanKindConsumer), trace.WithAttributes(attributes...))
}

// endSpan records the outcome, if there is one. The text of an error may hold more than an
// id, so the span has only its class.
func endSpan(span trace.Span, result Result, err error) {
	var parked *ParkError
	if errors.As(err, &parked) {
		result, err = Parked, nil
	}
	if err != nil {
		span.SetAttributes(attribute.String("error.type", Classify(err).String()))
		span.SetStatus(codes.Error, "")
		return
	}
	span.SetAttributes(attribute.String("bridge.result", string(result)))
}
