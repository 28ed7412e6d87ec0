package order_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestDecodePlaced_Language(t *testing.T) {
	t.Parallel()
	const body = `{"orderId":"order-1","customerId":"c","at":"2025-01-01T00:00:00Z",%s"billing":{"recipient":{"emailAddress":"a@example.com"}},
		"lineItems":[{"productId":"p","quantity":1,"pricePerUnit":"USD1.00","taxRate":0}]}`
	for member, want := range map[string]string{
		``: "", `"language":"de",`: "de", `"language":" pt-BR ",`: "pt-br", `"language":"zh-Hant-TW",`: "zh-hant-tw", `"language":"de_AT",`: "de-at",
		`"language":"",`: "", `"language":null,`: "", `"language":7,`: "", `"language":{"code":"de"},`: "", `"language":"German",`: "",
		`"language":"../de",`: "", `"language":"` + strings.Repeat("de-", 100) + `",`: "",
	} {
		placed, err := order.DecodePlaced("order-1", "application/json", fmt.Appendf(nil, body, member))
		require.NoError(t, err, "%s parks no order", member)
		require.Equal(t, want, placed.Language, member)
	}
}
