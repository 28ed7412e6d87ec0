package collect_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/checker/internal/collect"
)

const someOrder = `{
	"orderId": "order-1", "customerId": "customer-7",
	"shipping": {
		"recipient": {"fullName": "Ada Lovelace", "emailAddress": "ada@example.com", "phoneNumber": "555-123-4567"},
		"address": {"country": "GB", "lines": ["12 St James's Square", "SW1Y 4JH London"]}
	},
	"billing": {"recipient": {"fullName": "Smith \"Bob\" & Sons Ltd", "emailAddress": "bob.smith@example.com"}, "address": {"lines": []}}
}`

func TestPIIMarkers_FindPersonalData(t *testing.T) {
	t.Parallel()
	markers := collect.NewPIIMarkers()
	markers.AddOrder([]byte(someOrder))
	for text, found := range map[string]bool{
		"Ada Lovelace":                               true,
		`{"name":"Ada Lovelace"}`:                    true,
		"\x0a\x0cAda Lovelace\x12":                   true,
		"level=INFO msg=\"mail to ada@example.com\"": true,
		"call 555-123-4567":                          true,
		"12 St James's Square":                       true,
		`a \u0026 Sons Ltd`:                          true, // as JSON writes it
		"customer-7 has order-1":                     false,
		"Ada Lovelac":                                false,
		"GB":                                         false,
		"":                                           false,
	} {
		require.Equal(t, found, markers.Find([]byte(text)), text)
	}
	require.Positive(t, markers.Scanned())
}

func TestPIIMarkers_IgnoreShortTexts(t *testing.T) {
	t.Parallel()
	markers := collect.NewPIIMarkers()
	markers.Add("Al Bo")
	markers.AddOrder([]byte(`not JSON, with Ada Lovelace in it`))
	require.False(t, markers.Find([]byte("Al Bo and Ada Lovelace")))
}
