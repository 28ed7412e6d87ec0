package workflows

import (
	"testing"
	"unicode"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/common/v1"
	"go.temporal.io/sdk/converter"

	"orderflow/internal/order"
)

func rawMessage(encoding string, data []byte) converter.RawValue {
	return converter.NewRawValue(&common.Payload{Metadata: map[string][]byte{converter.MetadataEncoding: []byte(encoding)}, Data: data})
}

// The error goes to logs, where a member's name may be what an operator typed into the
// wrong place.
func TestDecodeMessage_QuotesNothing(t *testing.T) {
	t.Parallel()
	for name, body := range map[string]string{
		"a member twice":      `{"Jane Canary":1,"Jane Canary":2}`,
		"an unknown member":   `{"jane@canary.example":1}`,
		"a value":             `{"reason":"Jane Canary, Canary Street 1"}`,
		"a wrong kind":        `{"reason":["Canary"]}`,
		"a nested value":      `{"reason":{"Canary":1}}`,
		"text after a member": `{"reason":"x" Canary}`,
		"text after the end":  `{"reason":"x"} Canary`,
		"an escape":           `{"reason":"\Canary"}`,
		"broken text":         "{\"Canary\xff\":1}",
	} {
		_, err := decodeMessage[CancelOrder](rawMessage(converter.MetadataEncodingJSON, []byte(body)))
		require.Error(t, err, name)
		require.NotContains(t, err.Error(), "anary", name)
	}
}

// FuzzDecodeMessage decodes what an operator, or a holder of Temporal's key, may send.
func FuzzDecodeMessage(f *testing.F) {
	f.Add(converter.MetadataEncodingJSON, []byte(`{"reason":"customer-request"}`))
	f.Add(converter.MetadataEncodingJSON, []byte(`{"carrier":"DHL","trackingNumber":"1"}`))
	f.Add(converter.MetadataEncodingJSON, []byte(`{"by":"op","note":"n"}`))
	f.Fuzz(func(t *testing.T, encoding string, data []byte) {
		raw := rawMessage(encoding, data)
		if m, err := decodeMessage[CancelOrder](raw); requireOneLine(t, err) {
			require.True(t, order.ValidCode(m.Reason))
		}
		if m, err := decodeMessage[RecordShipment](raw); requireOneLine(t, err) {
			require.True(t, order.ValidText(m.Carrier))
			require.NotContains(t, m.TrackingNumber, "\n")
		}
		if m, err := decodeMessage[ApproveCredit](raw); requireOneLine(t, err) {
			require.True(t, order.ValidCode(m.By))
		}
		if m, err := decodeMessage[DeclineCredit](raw); requireOneLine(t, err) {
			require.True(t, order.ValidCode(m.By))
		}
	})
}

// requireOneLine reports whether there is no error, and holds one to what a line of a
// terminal may have.
func requireOneLine(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return true
	}
	require.Less(t, len(err.Error()), 500)
	for _, r := range err.Error() {
		require.True(t, unicode.IsPrint(r), "%q", err)
	}
	return false
}
