package order_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestDecodePlaced(t *testing.T) {
	t.Parallel()
	require.Equal(t, order.Placed{
		OrderID:        stream,
		CustomerID:     "customer-185176238",
		Total:          order.Money{Minor: 4219_73, Currency: "USD"},
		PlacedAt:       time.Date(2025, 1, 1, 11, 7, 28, 143549000, time.UTC),
		ShippingMethod: "overnight",
		Recipient:      order.Recipient{Title: "Dr.", FullName: "Ada Bär", Phone: "553-541-6114"},
		Address:        order.Address{Country: "NF", Lines: []string{"Mill Street 3", "59905 Hill"}},
		Email:          "Bill.To@example.com",
		Lines: []order.Line{
			{No: 1, ProductID: "p-1", ProductName: "Lamp", Quantity: 3, UnitPrice: "838.28", TaxRate: "0.06", Total: usd(2665_73)},
			{No: 2, ProductID: "p-2", ProductName: "Watch", Quantity: 5, UnitPrice: "277.49", TaxRate: "0.12", Total: usd(1553_94)},
			{No: 3, ProductID: "p-1", ProductName: "Lamp", Quantity: 1, UnitPrice: "0.05", TaxRate: "0.1", Total: usd(6)},
		},
	}, decode(t, placedBody))
}

func usd(minor int64) order.Money { return order.Money{Minor: minor, Currency: "USD"} }

type invalidOrder struct{ name, body, path, reason string }

// invalidOrders returns one order for each rule, which breaks only that rule.
func invalidOrders(t *testing.T) []invalidOrder {
	t.Helper()
	long := func(n int) string { return strings.Repeat("x", n) }
	return []invalidOrder{
		{"empty", "", "", "is not JSON: it ends too early"},
		{"blank", "  ", "", "is not JSON: it ends too early"},
		{"cut", placedBody[:300], "", "is not JSON: it ends too early"},
		{"text", "hello", "", "is not JSON: invalid character 'h' at start of value at byte 0"},
		{"byte order mark", "\xef\xbb\xbf" + placedBody, "", `is not JSON: invalid character '\ufeff' at start of value at byte 0`},
		{"something after the object", placedBody + "{}", "", "is not JSON: something follows the object"},
		{"an array", "[" + placedBody + "]", "", "must be an object, is an array"},
		{"null", "null", "", "must be an object, is null"},
		{"a number", "12", "", "must be an object, is a number"},
		{"a string", `"x"`, "", "must be an object, is a string"},
		{"a boolean", "true", "", "must be an object, is a boolean"},
		{"invalid UTF-8", with(t, "Mill Street 3", "\xff"), "", "is not JSON: invalid UTF-8 at byte 769"},
		{"half a surrogate pair", with(t, "Ada Bär", `\ud800`), "", "is not JSON: invalid surrogate pair at byte 643"},
		{"an unknown escape", with(t, "Ada Bär", `\secret`), "", "is not JSON: invalid escape sequence at byte 643"},
		{"too long", placedBody + strings.Repeat(" ", order.MaxEventBytes), "", "must be at most 262144 bytes"},
		{"too deep", with(t, `{"id": "store-7"`, `{"id": `+strings.Repeat(`{"a":`, 40)+`1`+strings.Repeat(`}`, 40)), "store.id" + strings.Repeat(".a", 30), "must not be nested deeper than 32"},

		{"a member twice", with(t, `"productId": "p-2"`, `"productId": "p-2", "quantity": 1`), "lineItems[1].quantity", "is given twice"},
		{"an unknown member twice", with(t, `"id": "store-7"`, `"id": "store-7", "id": "store-8"`), "store.id", "is given twice"},
		{"an odd member twice", with(t, `"id": "store-7"`, `"a@example.com": 1, "a@example.com": 2`), "store", "has a member twice"},
		{"a member twice by escapes", with(t, `"at":`, `"a\u0074": "x", "at":`), "at", "is given twice"},

		{"no order id", with(t, `"orderId": "order-b0d1a15a21d24ffa97785ce7b345a87e",`, ""), "orderId", "is missing"},
		{"null as order id", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, "null"), "orderId", "is missing"},
		{"order id in another case", with(t, `"orderId"`, `"orderID"`), "orderId", "is missing"},
		{"blank order id", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, `" \t"`), "orderId", "must not be blank"},
		{"long order id", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, `"order-`+long(123)+`"`), "orderId", "must be at most 128 bytes"},
		{"order id with control character", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, `"order-\u0007"`), "orderId", "must not have control characters"},
		{"order id of another form", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, `"invoice-7"`), "orderId", "must be order- and 1 to 120 of [A-Za-z0-9._-]"},
		{"another order's id", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, `"order-7"`), "orderId", "must be the name of the stream"},
		{"order id is a number", with(t, `"order-b0d1a15a21d24ffa97785ce7b345a87e"`, `7`), "orderId", "must be a string, is a number"},

		{"no customer", with(t, `"customerId": "customer-185176238",`, ""), "customerId", "is missing"},
		{"empty customer", with(t, `"customer-185176238"`, `""`), "customerId", "is missing"},
		{"blank customer", with(t, `"customer-185176238"`, `"  "`), "customerId", "must not be blank"},
		{"long customer", with(t, `"customer-185176238"`, `"`+long(129)+`"`), "customerId", "must be at most 128 bytes"},
		{"customer with a new line", with(t, `"customer-185176238"`, `"a\nb"`), "customerId", "must not have control characters"},
		{"customer with a C1 control", with(t, `"customer-185176238"`, `"a\u0085b"`), "customerId", "must not have control characters"},

		{"no time", with(t, `"at": "2025-01-01T13:07:28.1435498+02:00"`, `"note": 1`), "at", "is missing"},
		{"a day", with(t, `2025-01-01T13:07:28.1435498+02:00`, `2025-01-01`), "at", "must be a time like 2025-01-31T12:00:00Z"},
		{"no zone", with(t, `.1435498+02:00`, ``), "at", "must be a time like 2025-01-31T12:00:00Z"},
		{"a time before 1970", with(t, `2025-01-01T13:07:28.1435498+`, `1970-01-01T01:59:59+`), "at", "must be in the years 1970 to 9999"},
		{"a time after the year 9999", with(t, `2025-01-01T13:07:28.1435498+`, `9999-12-31T23:59:59-`), "at", "must be in the years 1970 to 9999"},
		{"second 61", with(t, `28.1435498`, `61`), "at", "must be a time like 2025-01-31T12:00:00Z"},
		{"second 60 and a point", with(t, `28.1435498`, `60.`), "at", "must be a time like 2025-01-31T12:00:00Z"},
		{"minute 60", with(t, `07:28.1435498`, `60:00`), "at", "must be a time like 2025-01-31T12:00:00Z"},
		{"time is a number", with(t, `"2025-01-01T13:07:28.1435498+02:00"`, `1735729200`), "at", "must be a string, is a number"},

		{"no lines", with(t, `"lineItems"`, `"LineItems"`), "lineItems", "must have at least one line"},
		{"empty lines", oneLine(""), "lineItems", "must have at least one line"},
		{"501 lines", oneLine(line("1", "USD1", "0") + strings.Repeat(","+line("1", "USD1", "0"), 500)), "lineItems", "must have at most 500 lines"},
		{"lines are an object", with(t, `"lineItems": [`, `"lineItems": {"a": 1}, "other": [`), "lineItems", "must be an array, is an object"},
		{"a line is null", oneLine("null"), "lineItems[0].productId", "is missing"},
		{"a line is a string", oneLine(line("1", "USD1", "0") + `,"x"`), "lineItems[1]", "must be an object, is a string"},
		{"no product", with(t, `"productId": "p-2",`, ""), "lineItems[1].productId", "is missing"},
		{"long product", with(t, `"p-2"`, `"`+long(129)+`"`), "lineItems[1].productId", "must be at most 128 bytes"},
		{"product with control character", with(t, `"p-2"`, `"\u0000"`), "lineItems[1].productId", "must not have control characters"},
		{"long product name", with(t, `"Watch"`, `"`+long(1025)+`"`), "lineItems[1].productName", "must be at most 1024 bytes"},

		{"no quantity", with(t, `"quantity": 5,`, ""), "lineItems[1].quantity", "is missing"},
		{"quantity null", with(t, `"quantity": 5`, `"quantity": null`), "lineItems[1].quantity", "is missing"},
		{"quantity 0", with(t, `"quantity": 5`, `"quantity": 0`), "lineItems[1].quantity", "must be at least 1"},
		{"quantity -1", with(t, `"quantity": 5`, `"quantity": -1`), "lineItems[1].quantity", "must be at least 1"},
		{"quantity 1.5", with(t, `"quantity": 5`, `"quantity": 1.5`), "lineItems[1].quantity", "must be a whole number"},
		{"quantity too large", with(t, `"quantity": 5`, `"quantity": 1000001`), "lineItems[1].quantity", "must be at most 1000000"},
		{"quantity with exponent", with(t, `"quantity": 5`, `"quantity": 1e99`), "lineItems[1].quantity", "must be at most 1000000"},
		{"quantity exploding", with(t, `"quantity": 5`, `"quantity": 1e999999999`), "lineItems[1].quantity", "has too large an exponent"},
		{"quantity of many digits", with(t, `"quantity": 5`, `"quantity": 1`+strings.Repeat("0", 40)), "lineItems[1].quantity", "has too many digits"},
		{"quantity is a string", with(t, `"quantity": 5`, `"quantity": "5"`), "lineItems[1].quantity", "must be a number, is a string"},

		{"no price", with(t, `"pricePerUnit": "USD277.49",`, ""), "lineItems[1].pricePerUnit", "is missing"},
		{"price is a number", with(t, `"USD277.49"`, `277.49`), "lineItems[1].pricePerUnit", "must be a string, is a number"},
		{"price without currency", with(t, `"USD277.49"`, `"277.49"`), "lineItems[1].pricePerUnit", "must be money like USD12.34"},
		{"price with a space", with(t, `"USD277.49"`, `"USD 277.49"`), "lineItems[1].pricePerUnit", "must be money like USD12.34"},
		{"price in small letters", with(t, `"USD277.49"`, `"usd277.49"`), "lineItems[1].pricePerUnit", "must be money like USD12.34"},
		{"price with a comma", with(t, `"USD277.49"`, `"USD277,49"`), "lineItems[1].pricePerUnit", "must be money like USD12.34"},
		{"price ends with a point", with(t, `"USD277.49"`, `"USD277."`), "lineItems[1].pricePerUnit", "must be money like USD12.34"},
		{"price with an exponent", with(t, `"USD277.49"`, `"USD2e3"`), "lineItems[1].pricePerUnit", "must be money like USD12.34"},
		{"negative price", with(t, `"USD277.49"`, `"USD-277.49"`), "lineItems[1].pricePerUnit", "must not be negative"},
		{"price in no currency", with(t, `"USD277.49"`, `"XXX277.49"`), "lineItems[1].pricePerUnit", "must be in a currency of ISO 4217"},
		{"mixed currencies", with(t, `"USD277.49"`, `"EUR277.49"`), "lineItems[1].pricePerUnit", "must be in the same currency as the first line"},
		{"price too fine", with(t, `"USD277.49"`, `"USD0.12345678901"`), "lineItems[1].pricePerUnit", "must have at most 10 decimals"},
		{"price of many digits", with(t, `"USD277.49"`, `"USD`+strings.Repeat("1", 62)+`"`), "lineItems[1].pricePerUnit", "is too large"},

		{"no tax rate", with(t, `, "taxRate": 0.12`, ""), "lineItems[1].taxRate", "is missing"},
		{"negative tax rate", with(t, "0.12", "-0.12"), "lineItems[1].taxRate", "must be between 0 and 1"},
		{"tax rate over 1", with(t, "0.12", "1.0000000001"), "lineItems[1].taxRate", "must be between 0 and 1"},
		{"tax rate in percent", with(t, "0.12", "12"), "lineItems[1].taxRate", "must be between 0 and 1"},
		{"tax rate too fine", with(t, "0.12", "0.12345678901"), "lineItems[1].taxRate", "must have at most 10 decimals"},
		{"tax rate exploding", with(t, "0.12", "1e-1000000"), "lineItems[1].taxRate", "has too large an exponent"},
		{"tax rate is a string", with(t, "0.12", `"0.12"`), "lineItems[1].taxRate", "must be a number, is a string"},
		{"tax rate is a list", with(t, "0.12", `[0.12]`), "lineItems[1].taxRate", "must be a number, is an array"},

		{"total 0", oneLine(line("5", "USD0", "0.5")), "lineItems", "must come to more than 0"},
		{"total rounds to 0", oneLine(line("1", "USD0.004", "0.2")), "lineItems", "must come to more than 0"},
		{"a line overflows", oneLine(line("1000000", "USD92233720368547.76", "0")), "lineItems[0]", "comes to too large a total"},
		{"the total overflows", oneLine(line("1", "USD92233720368547758.07", "0") + "," + line("1", "USD0.01", "0")), "lineItems", "come to too large a total"},

		{"long method", with(t, `"overnight"`, `"`+long(1025)+`"`), "shipping.method", "must be at most 1024 bytes"},
		{"long title", with(t, `"Dr."`, `"`+long(1025)+`"`), "shipping.recipient.title", "must be at most 1024 bytes"},
		{"long name", with(t, `Ada Bär`, long(1025)), "shipping.recipient.fullName", "must be at most 1024 bytes"},
		{"character 0 in a name", with(t, `Ada Bär`, `Ada\u0000`), "shipping.recipient.fullName", "must not have the character 0"},
		{"long phone number", with(t, `553-541-6114`, long(1025)), "shipping.recipient.phoneNumber", "must be at most 1024 bytes"},
		{"long country", with(t, `"NF"`, `"`+long(1025)+`"`), "shipping.address.country", "must be at most 1024 bytes"},
		{"long address line", with(t, `59905 Hill`, long(1025)), "shipping.address.lines[1]", "must be at most 1024 bytes"},
		{"51 address lines", with(t, `"59905 Hill"`, `"a"`+strings.Repeat(`,"b"`, 49)), "shipping.address.lines", "must have at most 50 lines"},
		{"address line is a number", with(t, `"59905 Hill"`, `59905`), "shipping.address.lines[1]", "must be a string, is a number"},
		{"shipping is a list", with(t, `"shipping": {`, `"shipping": [], "other": {`), "shipping", "must be an object, is an array"},
		{"name is an object", with(t, `"Ada Bär"`, `{"first":"Ada"}`), "shipping.recipient.fullName", "must be a string, is an object"},
		{"no address", with(t, "Bill.To@Example.com", "", "ship.to@example.com", ""), "billing.recipient.emailAddress", "must be a usable e-mail address, here or at shipping.recipient.emailAddress"},
		{"blank product", with(t, `"p-2"`, `" "`), "lineItems[1].productId", "must not be blank"},
		{"tax rate of many digits", with(t, "0.12", "0."+strings.Repeat("1", 40)), "lineItems[1].taxRate", "has too many digits"},
		{"character 0 in a product name", with(t, `"Watch"`, `"\u0000"`), "lineItems[1].productName", "must not have the character 0"},
		{"character 0 in the method", with(t, `"overnight"`, `"\u0000"`), "shipping.method", "must not have the character 0"},
		{"character 0 in a title", with(t, `"Dr."`, `"\u0000"`), "shipping.recipient.title", "must not have the character 0"},
		{"character 0 in a phone number", with(t, `553-541-6114`, `\u0000`), "shipping.recipient.phoneNumber", "must not have the character 0"},
		{"character 0 in a country", with(t, `"NF"`, `"\u0000"`), "shipping.address.country", "must not have the character 0"},
		{"character 0 in an address line", with(t, `59905 Hill`, `\u0000`), "shipping.address.lines[1]", "must not have the character 0"},
	}
}

func TestDecodePlaced_Invalid(t *testing.T) {
	t.Parallel()
	for _, test := range invalidOrders(t) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			placed, err := order.DecodePlaced(stream, jsonType, []byte(test.body))
			requireInvalid(t, err, test.path, test.reason)
			require.Zero(t, placed)
		})
	}
}

func line(quantity, price, rate string) string {
	return fmt.Sprintf(`{"productId":"p","quantity":%s,"pricePerUnit":%q,"taxRate":%s}`, quantity, price, rate)
}

func TestDecodePlaced_RFC3339(t *testing.T) {
	t.Parallel()
	for at, want := range map[string]string{
		"2025-01-01t13:07:28z":                      "2025-01-01T13:07:28Z",
		"2025-01-01t13:07:28.5+02:00":               "2025-01-01T11:07:28.5Z",
		"2016-12-31T23:59:60Z":                      "2016-12-31T23:59:59.999999Z",
		"2016-12-31t23:59:60z":                      "2016-12-31T23:59:59.999999Z",
		"2016-12-31T23:59:60.123456789Z":            "2016-12-31T23:59:59.999999Z",
		"2017-01-01T05:29:60+05:30":                 "2016-12-31T23:59:59.999999Z",
		"2025-01-01T13:07:28-00:00":                 "2025-01-01T13:07:28Z",
		"2025-01-01T13:07:28.00000000000000000001Z": "2025-01-01T13:07:28Z",
		"2024-02-29T23:59:59+23:59":                 "2024-02-29T00:00:59Z",
		"1970-01-01T00:00:00Z":                      "1970-01-01T00:00:00Z",
		"9999-12-31T23:59:60Z":                      "9999-12-31T23:59:59.999999Z",
	} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			placed := decode(t, with(t, "2025-01-01T13:07:28.1435498+02:00", at))
			require.Equal(t, want, placed.PlacedAt.Format(time.RFC3339Nano))
		})
	}
}

func TestInvalidError(t *testing.T) {
	t.Parallel()
	_, err := order.DecodePlaced(stream, jsonType, []byte(with(t, `"quantity": 5`, `"quantity": 0`)))
	require.EqualError(t, err, "lineItems[1].quantity: must be at least 1")
	_, err = order.DecodePlaced(stream, jsonType, []byte("7"))
	require.EqualError(t, err, "must be an object, is a number")
}

func TestDecodePlaced_ContentType(t *testing.T) {
	t.Parallel()
	for _, contentType := range []string{"", "application/octet-stream", "application/JSON", "text/json"} {
		_, err := order.DecodePlaced(stream, contentType, []byte(placedBody))
		requireInvalid(t, err, "", "content type must be application/json")
	}
}

func TestDecodePlaced_Accepts(t *testing.T) {
	t.Parallel()
	tests := map[string]string{
		"whole numbers written otherwise": with(t, `"quantity": 5`, `"quantity": 0.5e1`, `"quantity": 3`, `"quantity": 3.0`),
		"the longest body":                placedBody + strings.Repeat(" ", order.MaxEventBytes-len(placedBody)),
		"the deepest body":                with(t, `{"id": "store-7"`, `{"id": `+strings.Repeat(`{"a":`, 30)+`1`+strings.Repeat(`}`, 30)),
		"names of any script":             with(t, "Ada Bär", `李 \"小龙\" 🐉\n<b>`),
		"the longest name":                with(t, "Ada Bär", strings.Repeat("x", 1024)),
		"unknown members of any kind":     with(t, `"instructions": ""`, `"instructions": {"a": [1e999999, null, true]}`),
		"members in another case aside":   with(t, `"at":`, `"AT": 7, "OrderId": "other", "at":`),
		"500 lines":                       oneLine(line("1", "USD1", "0") + strings.Repeat(","+line("1", "USD1", "0"), 499)),
		"a free line":                     with(t, "USD0.05", "USD0"),
		"a tax rate of 1":                 with(t, "0.12", "1"),
		"a tax rate of 0":                 with(t, "0.12", "0e0"),
		"a customer with spaces":          with(t, "customer-185176238", "Kunde Nr. 7/ä"),
	}
	for name, body := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.NotZero(t, decode(t, body).Total)
		})
	}
}

func TestDecodePlaced_WithoutShipping(t *testing.T) {
	t.Parallel()
	body := `{"orderId":"order-1","customerId":"c","lineItems":[` + line("1", "EUR1", "0") + `],
		"billing":{"recipient":{"emailAddress":"a@example.com"}},"at":"2025-01-01T00:00:00Z"}`
	placed, err := order.DecodePlaced("order-1", jsonType, []byte(body))
	require.NoError(t, err)
	require.Zero(t, placed.Recipient)
	require.Zero(t, placed.Address)
	require.Equal(t, "EUR1.00", placed.Total.String())
}

func TestDecodePlaced_ReasonsOmitPersonalData(t *testing.T) {
	t.Parallel()
	bodies := []string{
		with(t, `"Ada Bär"`, `{"Secret": 1}`),
		with(t, `"Ada Bär"`, `"Secret`),
		with(t, `"Ada Bär"`, `"Secret\x"`),
		with(t, `"Ada Bär"`, `"Secret\ud800Secret"`),
		with(t, `"Ada Bär"`, `"Secret\u0000"`),
		with(t, `"Ada Bär"`, `{"Secret Person": {"Secret Person": 1, "Secret Person": 2}}`),
		with(t, "Bill.To@Example.com", "Secret", "ship.to@example.com", "Secret"),
		with(t, "customer-185176238", "Secret\u0007"),
		with(t, "USD838.28", "Secret"),
		with(t, "2025-01-01T13:07:28.1435498+02:00", "Secret"),
	}
	for _, body := range bodies {
		_, err := order.DecodePlaced(stream, jsonType, []byte(body))
		require.Error(t, err)
		require.NotContains(t, err.Error(), "Secret")
	}
}
