package routes_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/dev/startertest"
	"orderflow/internal/config"
	"orderflow/internal/correlation"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/workflows"
)

// oneOrder is a store with one order.
type oneOrder kurrent.Event

func (o oneOrder) FindPlaced(context.Context, string) (kurrent.Event, error) {
	return kurrent.Event(o), nil
}

// An order that is started for its cancellation, which was delivered first, is in the trace of
// the bridge, as any other whose producer does not trace.
func TestRoutes_CancellationBeforeOrder(t *testing.T) {
	t.Parallel()
	id := startertest.NewOrderID()
	placed := startertest.PlacedEvent(id)
	orders := oneOrder{Stream: id, ID: placed.ID, Type: placed.Type, ContentType: "application/json", Data: placed.Data}
	router := routes.New(nil, client.Options{}, orders, config.Attributes{})
	span := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: trace.FlagsSampled})
	ctx := trace.ContextWithSpanContext(t.Context(), span)
	event := bridge.Event{
		Stream: id, Revision: 1, Type: order.TypeCancellationRequested, ContentType: "application/json",
		Data: []byte(`{"reason":"customer-request"}`),
	}

	action, err := router.Routes[order.TypeCancellationRequested](ctx, event)
	require.NoError(t, err)
	action, err = action.(bridge.SignalWithStart).Start(ctx)

	require.NoError(t, err)
	require.Equal(t, correlation.Traceparent(ctx), action.(bridge.Start).Args[0].(workflows.Input).Source.Traceparent)
}
