package credit_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

func TestEncodeEvent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		event credit.Event
		want  string
	}{
		"credit-account-opened": {opened(t, "USD10000.00"), `{"customerId":"customer-7","limit":"USD10000.00"}`},
		"credit-limit-changed":  {credit.LimitChanged{CustomerID: customer, Limit: money(t, "JPY5")}, `{"customerId":"customer-7","limit":"JPY5"}`},
		"credit-reserved":       {reserved(t, "order-1", "USD1.50"), `{"orderId":"order-1","amount":"USD1.50"}`},
		"credit-limit-exceeded": {exceeded(t, "order-1", "EUR2.00", "USD1.00", true), `{"orderId":"order-1","amount":"EUR2.00","available":"USD1.00","held":true,"holdUntil":"2030-01-02T03:04:05Z"}`},
		"credit-released":       {released(t, "order-1", "USD0.00", "paid"), `{"orderId":"order-1","amount":"USD0.00","reason":"paid"}`},
	}
	for eventType, test := range tests {
		t.Run(eventType, func(t *testing.T) {
			t.Parallel()
			require.Equal(t, eventType, test.event.EventType())
			data, err := credit.EncodeEvent(test.event)
			require.NoError(t, err)
			require.Equal(t, test.want, string(data))
			decoded, err := credit.DecodeEvent(eventType, data)
			require.NoError(t, err)
			require.Equal(t, test.event, decoded)
		})
	}
}

func TestReleased(t *testing.T) {
	t.Parallel()
	account := given(t, opened(t, "USD1000.00"), reserved(t, "order-1", "USD400.00"))
	paid := credit.Cause{Reason: credit.ReasonPaid, Paid: money(t, "USD400.00"), Overpaid: money(t, "USD0.00")}
	decision, recorded, err := account.Release("order-1", order.Zero("USD"), paid)
	require.NoError(t, err)
	require.Equal(t, decided(t, "released", "paid", "USD400.00"), decision)
	data, err := credit.EncodeEvent(recorded[0])
	require.NoError(t, err)
	require.Equal(t, `{"orderId":"order-1","amount":"USD400.00","reason":"paid","paid":"USD400.00","overpaid":"USD0.00"}`, string(data))
	decoded, err := credit.DecodeEvent(credit.TypeReleased, data)
	require.NoError(t, err)
	require.Equal(t, recorded[0], decoded)
	require.NoError(t, account.Apply(decoded))
	require.Equal(t, money(t, "USD1000.00"), account.Available())
}

func TestReleased_DeclinedBy(t *testing.T) {
	t.Parallel()
	account := given(t, opened(t, "USD1000.00"))
	_, recorded, err := account.Release("order-1", order.Zero("USD"), credit.Cause{Reason: "CREDIT_DECLINED", DeclinedBy: "op-2"})
	require.NoError(t, err)
	data, err := credit.EncodeEvent(recorded[0])
	require.NoError(t, err)
	require.Equal(t, `{"orderId":"order-1","amount":"USD0.00","reason":"CREDIT_DECLINED","declinedBy":"op-2"}`, string(data))
	decoded, err := credit.DecodeEvent(credit.TypeReleased, data)
	require.NoError(t, err)
	require.Equal(t, recorded[0], decoded)
}

func TestApprove_ApprovedBy(t *testing.T) {
	t.Parallel()
	data, err := credit.EncodeEvent(approved(t, "order-1", "USD1.00"))
	require.NoError(t, err)
	require.Equal(t, `{"orderId":"order-1","amount":"USD1.00","approvedBy":"alice"}`, string(data))
}

func TestEncodeEvent_Invalid(t *testing.T) {
	t.Parallel()
	negative := money(t, "USD1.00")
	negative.Minor = -1
	_, err := credit.EncodeEvent(credit.Reserved{OrderID: "order-1", Amount: negative})
	require.ErrorContains(t, err, "encode credit-reserved")
}

func TestDecodeEvent_UnknownMembers(t *testing.T) {
	t.Parallel()
	event, err := credit.DecodeEvent("credit-reserved", []byte(`{"orderId":"order-1","amount":"USD1.50","since":3}`))
	require.NoError(t, err)
	require.Equal(t, reserved(t, "order-1", "USD1.50"), event)
}

func TestDecodeEvent_Invalid(t *testing.T) {
	t.Parallel()
	tests := map[string]struct{ eventType, data string }{
		"no JSON":                  {"credit-reserved", `{`},
		"no object":                {"credit-reserved", `[]`},
		"a member twice":           {"credit-reserved", `{"orderId":"order-1","orderId":"order-1","amount":"USD1"}`},
		"opened for nobody":        {"credit-account-opened", `{"limit":"USD1"}`},
		"opened without limit":     {"credit-account-opened", `{"customerId":"c"}`},
		"limit is a number":        {"credit-account-opened", `{"customerId":"c","limit":1}`},
		"limit is empty":           {"credit-limit-changed", `{"customerId":"c","limit":""}`},
		"reserved for no order":    {"credit-reserved", `{"orderId":"x","amount":"USD1"}`},
		"reserved nothing":         {"credit-reserved", `{"orderId":"order-1","amount":"USD0"}`},
		"reserved less":            {"credit-reserved", `{"orderId":"order-1","amount":"USD-1"}`},
		"exceeded by nothing":      {"credit-limit-exceeded", `{"orderId":"order-1","amount":"USD0","available":"USD0"}`},
		"exceeded by what":         {"credit-limit-exceeded", `{"orderId":"order-1","amount":"USD1"}`},
		"released for no reason":   {"credit-released", `{"orderId":"order-1","amount":"USD0"}`},
		"released what":            {"credit-released", `{"orderId":"order-1","reason":"x"}`},
		"members in another case":  {"credit-released", `{"OrderID":"order-1","Amount":"USD0","Reason":"x"}`},
		"more than an event needs": {"credit-released", `{"orderId":"order-1","amount":"USD0","reason":"` + strings.Repeat("x", 64<<10) + `"}`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event, err := credit.DecodeEvent(test.eventType, []byte(test.data))
			require.ErrorIs(t, err, credit.ErrInvalidEvent)
			require.ErrorIs(t, err, credit.ErrHistory)
			require.Nil(t, event)
		})
	}
}

func TestDecodeEvent_UnknownType(t *testing.T) {
	t.Parallel()
	_, err := credit.DecodeEvent("credit-frozen", []byte(`{}`))
	require.ErrorIs(t, err, credit.ErrUnknownEvent)
	require.EqualError(t, err, `unknown credit event: "credit-frozen"`)
}

func FuzzDecodeEvent(f *testing.F) {
	f.Add("credit-account-opened", []byte(`{"customerId":"customer-7","limit":"USD10000.00"}`))
	f.Add("credit-limit-changed", []byte(`{"customerId":"customer-7","limit":"JPY5"}`))
	f.Add("credit-reserved", []byte(`{"orderId":"order-1","amount":"USD1.50","approvedBy":"alice"}`))
	f.Add("credit-limit-exceeded", []byte(`{"orderId":"order-1","amount":"EUR2","available":"USD1","held":true}`))
	f.Add("credit-released", []byte(`{"orderId":"order-1","amount":"USD0","reason":"paid"}`))
	f.Fuzz(func(t *testing.T, eventType string, data []byte) {
		event, err := credit.DecodeEvent(eventType, data)
		if err != nil {
			require.Nil(t, event)
			return
		}
		require.Equal(t, eventType, event.EventType())
		again, err := credit.EncodeEvent(event)
		require.NoError(t, err)
		same, err := credit.DecodeEvent(eventType, again)
		require.NoError(t, err)
		require.Equal(t, event, same)
	})
}
