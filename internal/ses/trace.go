package ses

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"orderflow/internal/email"
)

// startSpan starts the span of a call to SES. It has neither the address nor the text of
// the email.
func (m *Mailer) startSpan(ctx context.Context, letter email.Letter) (context.Context, trace.Span) {
	return m.tracer.Start(ctx, "SESv2.SendEmail", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(
		attribute.String("rpc.system", "aws-api"), attribute.String("rpc.service", "SESv2"), attribute.String("rpc.method", "SendEmail"),
		attribute.String("orderflow.email.kind", string(letter.Kind)),
	))
}

// endSpan ends the span. SES quotes addresses in its errors, so the span has only the
// code.
func endSpan(span trace.Span, err error) {
	if failure, ok := errors.AsType[*email.SendError](err); ok {
		span.SetAttributes(attribute.String("error.type", failure.Code))
		span.SetStatus(codes.Error, "")
	}
	span.End()
}
