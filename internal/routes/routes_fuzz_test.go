package routes_test

import (
	"errors"
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"

	"orderflow/bridge"
	"orderflow/internal/order"
	"orderflow/internal/routes"
)

// FuzzInput turns events into inputs of workflows. An event that cannot be one is parked,
// with a reason on one line; what Temporal stores of the others is ids and amounts.
func FuzzInput(f *testing.F) {
	f.Add("order-1", []byte(`{}`), []byte(`{"$correlationId":"c-1"}`))
	f.Fuzz(func(t *testing.T, stream string, data, metadata []byte) {
		event := bridge.Event{Stream: stream, Type: order.TypePlaced, ContentType: "application/json", Data: data, Metadata: metadata}
		input, err := routes.Input(event)
		if err != nil {
			var parked *bridge.ParkError
			require.True(t, errors.As(err, &parked))
			require.Less(t, len(parked.Reason), 2000)
			for _, r := range parked.Reason {
				require.True(t, unicode.IsPrint(r), "%q", parked.Reason)
			}
			require.Zero(t, input)
			return
		}
		require.Equal(t, stream, input.OrderID)
		require.True(t, order.ValidID(input.OrderID))
		require.True(t, order.ValidIdentifier(input.CustomerID))
		require.Positive(t, input.Total.Minor)
		require.Regexp(t, `^[A-Za-z0-9._:-]{0,128}$`, input.Source.CorrelationID)
		require.Regexp(t, `^[0-9a-f-]{0,55}$`, input.Source.Traceparent)
		require.Less(t, len(input.Summary()), 200)
	})
}
