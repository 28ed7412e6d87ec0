package order_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestCutOrderID(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"orderId":"order-1","carrier":"DHL","trackingNumber":"1"}`: `{"carrier":"DHL","trackingNumber":"1"}`,
		`{"lines":[{"line":1,"quantity":2}],"carrier":"D\u0048L"}`:   `{"carrier":"D\u0048L","lines":[{"line":1,"quantity":2}]}`,
		`{"orderId":null,"by":7}`:                                    `{"by":7}`,
		`{}`:                                                         `{}`,
	} {
		got, err := order.CutOrderID("order-1", jsonType, []byte(body))
		require.NoError(t, err, body)
		require.JSONEq(t, want, string(got))
	}
}

func TestCutOrderID_Invalid(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ orderID, contentType, body, path, reason string }{
		"another order":        {"order-1", jsonType, `{"orderId":"order-2"}`, "orderId", "must be the order of the stream"},
		"a number":             {"order-1", jsonType, `{"orderId":1}`, "orderId", "must be a string, is a number"},
		"not an order's":       {"credit-1", jsonType, `{}`, "orderId", order.ErrInvalidID.Error()},
		"a member twice":       {"order-1", jsonType, `{"by":"a","by":"b"}`, "by", "is given twice"},
		"an array":             {"order-1", jsonType, `[]`, "", "must be an object, is an array"},
		"not JSON":             {"order-1", jsonType, `{`, "", "is not JSON: it ends too early"},
		"another content type": {"order-1", "text/plain", `{}`, "", "content type must be application/json"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.CutOrderID(test.orderID, test.contentType, []byte(test.body))
			requireInvalid(t, err, test.path, test.reason)
			require.Nil(t, got)
		})
	}
}

func TestOrderDecided(t *testing.T) {
	t.Parallel()
	id, ok := order.OrderDecided(order.CreditDecisionStream("order-1"))
	require.True(t, ok)
	require.Equal(t, "order-1", id)
	for _, stream := range []string{"order-1", "credit-order-1", "creditdecision-", "creditdecision-1", "creditdecision-order-", "creditdecision-order-1@"} {
		_, ok := order.OrderDecided(stream)
		require.False(t, ok, stream)
	}
}
