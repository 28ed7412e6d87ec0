package routes_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
	"go.opentelemetry.io/otel/trace"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

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

// An order that has shipped in several parcels has taken the event of each.
func TestRoutes_ShipmentOfClosedOrder(t *testing.T) {
	t.Parallel()
	first := order.Parcel{Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: "T1"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 1}}}
	last := order.Parcel{Shipment: order.Shipment{Carrier: "UPS", TrackingNumber: "T2"}, Lines: []order.ParcelLine{{Line: 1, Quantity: 2}}}
	state := order.State{Status: order.StatusShipped, Shipment: last.Shipment, Parcels: []order.Parcel{first, last}}
	router := routes.New(nil, client.Options{}, oneOrder{}, config.Attributes{})
	id := startertest.NewOrderID()
	for data, parked := range map[string]bool{
		`{"carrier":"DHL","trackingNumber":"T1","lines":[{"line":1,"quantity":1}]}`: false,
		`{"carrier":"UPS","trackingNumber":"T2"}`:                                   false,
		`{"carrier":"DHL","trackingNumber":"T3"}`:                                   true,
	} {
		event := bridge.Event{Stream: id, Type: order.TypeShipmentRecorded, ContentType: "application/json", Data: []byte(data)}
		action, err := router.Routes[order.TypeShipmentRecorded](t.Context(), event)
		require.NoError(t, err)
		err = action.(bridge.UpdateWithStart).Closed(func(into any) error {
			*into.(*order.State) = state
			return nil
		})
		require.Equal(t, parked, err != nil, data)
	}
}

// The order has taken a message whose update fails because the order continues as new.
func TestRoutes_MessageOfContinuedOrder(t *testing.T) {
	t.Parallel()
	router := routes.New(nil, client.Options{}, oneOrder{}, config.Attributes{})
	event := bridge.Event{
		Stream: startertest.NewOrderID(), Type: order.TypeShipmentRecorded, ContentType: "application/json",
		Data: []byte(`{"carrier":"DHL","trackingNumber":"T1"}`),
	}
	action, err := router.Routes[order.TypeShipmentRecorded](t.Context(), event)
	require.NoError(t, err)
	for kind, want := range map[string]bool{workflows.Continued: true, workflows.Refused: false, workflows.Early: false} {
		var failure *temporal.ApplicationError
		require.ErrorAs(t, temporal.NewNonRetryableApplicationError("the order's words", kind, nil), &failure)
		require.Equal(t, want, action.(bridge.UpdateWithStart).Accepted(failure), kind)
	}
}
