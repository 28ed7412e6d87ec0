package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

// requirePrintable holds the fault of a body to what a log line and a parked event may
// have: a short text on one line that quotes nothing.
func requirePrintable(t *testing.T, err error) {
	t.Helper()
	var invalid *order.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.NotEmpty(t, invalid.Reason)
	require.Less(t, len(err.Error()), 2000)
	for _, r := range err.Error() {
		require.True(t, r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) && r != '\u2028' && r != '\u2029', "%q", err)
	}
}

// FuzzDecodeFollowUp decodes a body as a payment and as a cancellation. What is accepted
// concerns the order of its stream, and is in the range that every store accepts.
func FuzzDecodeFollowUp(f *testing.F) {
	f.Add([]byte(`{"orderId":"order-1","paymentId":"p-1","amount":"USD242.00"}`))
	f.Add([]byte(`{"reason":"customer-request"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		paid, err := order.DecodePaid("order-1", jsonType, body)
		if err != nil {
			requirePrintable(t, err)
			require.Zero(t, paid)
		} else {
			require.Equal(t, "order-1", paid.OrderID)
			require.Positive(t, paid.Amount.Minor)
			require.True(t, paid.PaymentID == "" || order.ValidIdentifier(paid.PaymentID))
			again, err := order.ParseMoney(paid.Amount.String())
			require.NoError(t, err)
			require.Equal(t, paid.Amount, again)
		}
		cancellation, err := order.DecodeCancellation("order-1", jsonType, body)
		if err != nil {
			requirePrintable(t, err)
			require.Zero(t, cancellation)
			return
		}
		require.Equal(t, "order-1", cancellation.OrderID)
		require.True(t, order.ValidCode(cancellation.Reason))
	})
}
