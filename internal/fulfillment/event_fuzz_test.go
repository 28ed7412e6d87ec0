package fulfillment_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/fulfillment"
)

// FuzzDecodeEvent decodes published events, which any writer of the stream may have
// written. The two decoders agree, and what is decoded can be published again.
func FuzzDecodeEvent(f *testing.F) {
	f.Add([]byte(`{"orderId":"order-1","customerId":"c","status":"shipped","reason":"","total":"USD2.42","carrier":"DHL",` +
		`"trackingNumber":"1","revision":1,"old":{"status":"fulfilling"},"new":{"order_id":"order-1","total_minor":242,"currency":"USD"}}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		event, err := fulfillment.DecodeEvent(data)
		current, _, currentErr := fulfillment.DecodeCurrent(data)
		if err != nil {
			require.Zero(t, event)
			require.Error(t, currentErr, "the projector reads no event that reconcile cannot read")
			return
		}
		if currentErr == nil {
			withoutImages := event
			withoutImages.Old, withoutImages.New = nil, nil
			require.Equal(t, withoutImages, current)
		}
		encoded, err := fulfillment.EncodeEvent(event)
		require.NoError(t, err)
		again, err := fulfillment.DecodeEvent(encoded)
		require.NoError(t, err)
		require.Equal(t, event.Total, again.Total)
		require.Equal(t, event.Revision, again.Revision)
		version, err := event.Version()
		if err == nil && event.New != nil {
			direct, err := fulfillment.DecodeImage(again.New)
			require.NoError(t, err)
			require.Equal(t, version, direct)
		}
	})
}
