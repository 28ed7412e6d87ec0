package fulfillment_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

const (
	fulfillingImage = `{"order_id":"order-1","status":"fulfilling"}`
	shippedImage    = `{"order_id":"order-1","customer_id":"customer-7","status":"shipped","reason":null,"code":null,` +
		`"total_minor":488549,"currency":"USD","shipping_method":"overnight","carrier":"DHL","tracking_number":"42",` +
		`"source_event_id":"source-1","placed_at":"2025-01-01T02:11:30.976938+01:00"}`
	shippedEvent = `{"orderId":"order-1","customerId":"customer-7","status":"shipped","reason":"","total":"USD4885.49",` +
		`"carrier":"DHL","trackingNumber":"42","revision":1,"old":` + fulfillingImage + `,"new":` + shippedImage + `}`
)

func shippedVersion() fulfillment.Version {
	return fulfillment.Version{
		OrderID: "order-1", CustomerID: "customer-7", Status: order.StatusShipped,
		Total: order.Money{Minor: 488549, Currency: "USD"}, ShippingMethod: "overnight",
		Shipment:      order.Shipment{Carrier: "DHL", TrackingNumber: "42"},
		SourceEventID: "source-1", PlacedAt: time.Date(2025, 1, 1, 1, 11, 30, 976938000, time.UTC),
	}
}

func TestEvent_RoundTrip(t *testing.T) {
	t.Parallel()
	event := fulfillment.NewEvent(shippedVersion(), 1, []byte(fulfillingImage), []byte(shippedImage))
	data, err := fulfillment.EncodeEvent(event)
	require.NoError(t, err)
	require.Equal(t, shippedEvent, string(data))

	decoded, err := fulfillment.DecodeEvent(data)
	require.NoError(t, err)
	require.Equal(t, event, decoded)
	version, err := decoded.Version()
	require.NoError(t, err)
	require.Equal(t, shippedVersion(), version)
}

func TestEncodeEvent_FirstVersionHasNoOldImage(t *testing.T) {
	t.Parallel()
	data, err := fulfillment.EncodeEvent(fulfillment.Event{OrderID: "order-1", New: []byte(fulfillingImage)})
	require.NoError(t, err)
	require.Contains(t, string(data), `"old":null,"new":{`)
}

func TestEncodeEvent_UnknownCurrency(t *testing.T) {
	t.Parallel()
	_, err := fulfillment.EncodeEvent(fulfillment.Event{Total: order.Money{Minor: 1, Currency: "XQZ"}})
	require.ErrorContains(t, err, "must be in a currency of ISO 4217")
}

func TestDecodeEvent_AnotherWriters(t *testing.T) {
	t.Parallel()
	event, err := fulfillment.DecodeEvent([]byte(`{"by":"another"}`))
	require.NoError(t, err)
	require.EqualValues(t, -1, event.Revision)
	version, err := event.Version()
	require.NoError(t, err)
	require.Zero(t, version)

	_, err = fulfillment.DecodeEvent([]byte(`{"orderId":7}`))
	require.Error(t, err)
}

func TestDecodeCurrent(t *testing.T) {
	t.Parallel()
	placedAt := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	body := `{"orderId":"order-1","customerId":"c-1","status":"shipped","total":"USD12.10","carrier":"DHL","revision":1,
		"old":{"placed_at":7},"new":{"placed_at":"2026-01-01T01:00:00+01:00","status":"fulfilling"}}`
	t.Run("leaves out the images", func(t *testing.T) {
		t.Parallel()
		event, at, err := fulfillment.DecodeCurrent([]byte(body))
		require.NoError(t, err)
		whole, err := fulfillment.DecodeEvent([]byte(body))
		require.NoError(t, err)
		whole.Old, whole.New = nil, nil
		require.Equal(t, whole, event)
		require.Equal(t, placedAt, at)
	})
	t.Run("has no time without an image", func(t *testing.T) {
		t.Parallel()
		event, at, err := fulfillment.DecodeCurrent([]byte(`{"orderId":"order-1","total":"USD1.00","old":null,"new":null}`))
		require.NoError(t, err)
		require.True(t, at.IsZero())
		require.EqualValues(t, -1, event.Revision)
	})
	t.Run("rejects what is no event", func(t *testing.T) {
		t.Parallel()
		_, _, err := fulfillment.DecodeCurrent([]byte(`{"total":7}`))
		require.Error(t, err)
	})
}
