package order_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestDecodePaid(t *testing.T) {
	t.Parallel()
	for body, paymentID := range map[string]string{
		`{"amount":"USD12.50"}`:                                  "",
		`{"amount":"USD12.5","orderId":"order-1","more":[]}`:     "",
		`{"orderId":null,"paymentId":null,"amount":"USD12.500"}`: "",
		`{"amount":"USD12.50","paymentId":"Überweisung 7/1"}`:    "Überweisung 7/1",
	} {
		got, err := order.DecodePaid("order-1", jsonType, []byte(body))
		require.NoError(t, err)
		require.Equal(t, order.Paid{OrderID: "order-1", PaymentID: paymentID, Amount: usd(12_50)}, got)
	}
}

func TestDecodePaid_Invalid(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ stream, contentType, body, path, reason string }{
		"no amount":            {"order-1", jsonType, `{}`, "amount", "is missing"},
		"a number":             {"order-1", jsonType, `{"amount":12.5}`, "amount", "must be a string, is a number"},
		"nothing":              {"order-1", jsonType, `{"amount":"USD0.00"}`, "amount", "must be more than 0"},
		"too fine":             {"order-1", jsonType, `{"amount":"USD1.001"}`, "amount", "must not have more decimals than its currency"},
		"negative":             {"order-1", jsonType, `{"amount":"USD-1"}`, "amount", "must not be negative"},
		"amount twice":         {"order-1", jsonType, `{"amount":"USD1","amount":"USD2"}`, "amount", "is given twice"},
		"another order":        {"order-1", jsonType, `{"orderId":"order-2","amount":"USD1"}`, "orderId", "must be the name of the stream"},
		"empty order id":       {"order-1", jsonType, `{"orderId":"","amount":"USD1"}`, "orderId", "is missing"},
		"not an order's":       {"order-", jsonType, `{"amount":"USD1"}`, "orderId", "must be order- and 1 to 120 of [A-Za-z0-9._-]"},
		"empty payment id":     {"order-1", jsonType, `{"amount":"USD1","paymentId":""}`, "paymentId", "is missing"},
		"long payment id":      {"order-1", jsonType, `{"amount":"USD1","paymentId":"` + strings.Repeat("p", 129) + `"}`, "paymentId", "must be at most 128 bytes"},
		"payment id as number": {"order-1", jsonType, `{"amount":"USD1","paymentId":7}`, "paymentId", "must be a string, is a number"},
		"not JSON":             {"order-1", jsonType, `{`, "", "is not JSON: it ends too early"},
		"another content type": {"order-1", "text/plain", `{}`, "", "content type must be application/json"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.DecodePaid(test.stream, test.contentType, []byte(test.body))
			requireInvalid(t, err, test.path, test.reason)
			require.Zero(t, got)
		})
	}
}

func TestDecodeCancellation(t *testing.T) {
	t.Parallel()
	longest := strings.Repeat("r", 64)
	got, err := order.DecodeCancellation("order-1", jsonType, []byte(`{"orderId":"order-1","reason":"`+longest+`"}`))
	require.NoError(t, err)
	require.Equal(t, order.Cancellation{OrderID: "order-1", Reason: longest}, got)
}

func TestDecodeCancellation_Invalid(t *testing.T) {
	t.Parallel()
	const form = "must be 1 to 64 of [A-Za-z0-9._-]"
	tests := map[string]struct{ body, path, reason string }{
		"no reason":      {`{}`, "reason", "is missing"},
		"empty reason":   {`{"reason":""}`, "reason", "is missing"},
		"prose":          {`{"reason":"changed my mind"}`, "reason", form},
		"an address":     {`{"reason":"a@example.com"}`, "reason", form},
		"too long":       {`{"reason":"` + strings.Repeat("r", 65) + `"}`, "reason", form},
		"reason is null": {`{"reason":null}`, "reason", "is missing"},
		"an object":      {`{"reason":{}}`, "reason", "must be a string, is an object"},
		"another order":  {`{"orderId":"order-2","reason":"x"}`, "orderId", "must be the name of the stream"},
		"not an object":  {`[]`, "", "must be an object, is an array"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := order.DecodeCancellation("order-1", jsonType, []byte(test.body))
			requireInvalid(t, err, test.path, test.reason)
			require.Zero(t, got)
		})
	}
}

func TestValidID(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"order-1", "order-A.b_c-9", stream, "order-" + strings.Repeat("x", 120), "order--"} {
		require.True(t, order.ValidID(id), id)
	}
	for _, id := range []string{
		"", "order", "order-", "Order-1", "xorder-1", "order-1 ", "order-ä", "order-a/b", "order-\n", "order-a@b",
		"order-" + strings.Repeat("x", 121),
	} {
		require.False(t, order.ValidID(id), id)
	}
}
