package order_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

const (
	stream   = "order-b0d1a15a21d24ffa97785ce7b345a87e"
	jsonType = "application/json"
)

// placedBody is an order-placed event in the form producers write, with members that
// newer producers add.
const placedBody = `{
  "orderId": "order-b0d1a15a21d24ffa97785ce7b345a87e",
  "customerId": "customer-185176238",
  "checkoutOfCart": "cart-631dd4d51e6b4f4d9f9e26e55f1cd587@9",
  "store": {"id": "store-7", "name": "Mill Street"},
  "lineItems": [
    {"productId": "p-1", "productName": "Lamp", "quantity": 3, "pricePerUnit": "USD838.28", "taxRate": 0.06},
    {"productId": "p-2", "productName": "Watch", "category": "time", "quantity": 5, "pricePerUnit": "USD277.49", "taxRate": 0.12},
    {"productId": "p-1", "productName": "Lamp", "quantity": 1, "pricePerUnit": "USD0.05", "taxRate": 0.1}
  ],
  "shipping": {
    "recipient": {"title": "Dr.", "fullName": "Ada Bär", "emailAddress": "ship.to@example.com", "phoneNumber": "553-541-6114"},
    "address": {"country": "NF", "lines": ["Mill Street 3", "59905 Hill"]},
    "instructions": "",
    "method": "overnight"
  },
  "billing": {
    "recipient": {"title": "Dr.", "fullName": "Ada Bär", "emailAddress": "Bill.To@Example.com", "phoneNumber": "731.959.1334"},
    "address": {"country": "MQ", "lines": ["Hill Street 4"]},
    "paymentMethod": "debitCard"
  },
  "at": "2025-01-01T13:07:28.1435498+02:00"
}`

// with returns placedBody with parts replaced: old, new, old, new...
func with(t testing.TB, pairs ...string) string {
	t.Helper()
	body := placedBody
	for i := 0; i < len(pairs); i += 2 {
		require.Contains(t, body, pairs[i])
		body = strings.Replace(body, pairs[i], pairs[i+1], 1)
	}
	return body
}

// oneLine returns placedBody with a single line.
func oneLine(line string) string {
	start, end := strings.Index(placedBody, `"lineItems": [`), strings.Index(placedBody, `"shipping"`)
	return placedBody[:start] + `"lineItems": [` + line + `], ` + placedBody[end:]
}

func decode(t testing.TB, body string) order.Placed {
	t.Helper()
	placed, err := order.DecodePlaced(stream, jsonType, []byte(body))
	require.NoError(t, err)
	return placed
}

func requireInvalid(t require.TestingT, err error, path, reason string) {
	var invalid *order.InvalidError
	require.ErrorAs(t, err, &invalid)
	require.Equal(t, order.InvalidError{Path: path, Reason: reason}, *invalid)
}
