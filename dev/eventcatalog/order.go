package eventcatalog

import (
	"orderflow/internal/order"
)

var orderStreams = Channel{
	Name: "orders", Prefix: order.StreamPrefix, Parameter: "id",
	About: "What happened to an order outside Orderflow. The stream's name is the order's id. Other types on it are ignored.",
}

func orderEvents() []Event {
	return []Event{
		{
			Type: order.TypePlaced, Aliases: []string{order.TypePlacedAlias}, Channel: orderStreams, Direction: Receive,
			About: "An order was placed: its workflow starts.", Data: placed(),
			Examples: []string{
				placedFull,
				placedLeast(`"billing": {"recipient": {"emailAddress": "bob@example.com"}}`),
				placedLeast(`"shipping": {"recipient": {"emailAddress": "bob@example.com"}, "address": {}}, "billing": {}`),
				placedLeast(`"shipping": {"recipient": {"emailAddress": "bob@example.com"}}, "billing": {"recipient": {}}`),
				placedLeast(`"shipping": {"recipient": {}}, "billing": {"recipient": {"emailAddress": "bob@example.com"}}`),
				placedLeast(`"shipping": {}, "billing": {"recipient": {"emailAddress": "bob@example.com"}}`),
				placedLeast(`"shipping": {"recipient": {"emailAddress": "bob@example.com"}}`),
			},
			Decode: func(stream string, data []byte) error {
				_, err := order.DecodePlaced(stream, "application/json", data)
				return err
			},
		},
		{
			Type: order.TypePaid, Channel: orderStreams, Direction: Receive,
			About: "A payment for the order, or for a part of it: the payment with which they cover the total releases the credit.",
			Data: object("",
				optional("orderId", orderID("The name of the stream.")),
				optional("paymentId", identifier("Counts once per order; without one, the event's id is used")),
				required("amount", money("More than 0, in the order's currency"))),
			Examples: []string{
				`{"orderId":"order-example-1","paymentId":"payment-1","amount":"USD63.57"}`,
				`{"amount":"USD63.57"}`,
			},
			Decode: func(stream string, data []byte) error {
				_, err := order.DecodePaid(stream, "application/json", data)
				return err
			},
		},
		{
			Type: order.TypeCancellationRequested, Channel: orderStreams, Direction: Receive,
			About: "The order is to be canceled: its workflow cancels it unless it was shipped.",
			Data: object("",
				optional("orderId", orderID("The name of the stream.")),
				required("reason", code("A code of the producer's own."))),
			Examples: []string{
				`{"orderId":"order-example-1","reason":"customer-request"}`,
				`{"reason":"customer-request"}`,
			},
			Decode: func(stream string, data []byte) error {
				_, err := order.DecodeCancellation(stream, "application/json", data)
				return err
			},
		},
	}
}

// placed returns the schema of an order. One of its two recipients needs an email address.
func placed() *Schema {
	s := object("At most 256 KiB, with more members if the producer likes: they are ignored.",
		required("orderId", orderID("The name of the stream.")),
		required("customerId", identifier("The customer whose credit account pays")),
		optional("checkoutOfCart", anything("Not read.")),
		optional("store", anything("Not read.")),
		required("lineItems", array("All prices are in one currency. The total is more than 0.", 1, 500, object("",
			required("productId", identifier("The product")),
			optional("productName", text("Its name")),
			optional("category", anything("Not read.")),
			required("quantity", whole("How many.", 1, 1_000_000)),
			required("pricePerUnit", &Schema{
				Description: "Before tax: a currency of ISO 4217 and an amount of at most 10 decimals.",
				Type:        "string", MaxLength: 64, Pattern: moneyPattern,
			}),
			required("taxRate", number("Such as 0.21, with at most 10 decimals.", 0, 1))))),
		optional("shipping", object("",
			optional("recipient", recipient(text)),
			optional("address", object("", optional("country", text("The country")), optional("lines", array("", 0, 50, text("A line"))))),
			optional("instructions", anything("Not read.")),
			optional("method", text("The shipping method")))),
		optional("billing", object("",
			optional("recipient", recipient(func(string) *Schema { return words("Not used.") })),
			optional("address", anything("Not read.")),
			optional("paymentMethod", anything("Not read.")))),
		optional("language", anything("The language of the customer's emails, a tag of BCP 47 such as de or pt-BR. Any other value is ignored.")),
		required("at", timestamp("When the order was placed, in the years 1970 to 9999.")))
	s.AnyOf = []*Schema{withAddress("billing"), withAddress("shipping")}
	return s
}

// recipient returns the schema of a recipient. Only the name of the shipment's is used.
func recipient(read func(description string) *Schema) *Schema {
	return object("",
		optional("title", read("The title")),
		optional("fullName", read("The name")),
		optional("emailAddress", words("One recipient needs an address that can be used: billing's is taken first.")),
		optional("phoneNumber", read("The phone number")))
}

// withAddress demands an email address of one of the recipients.
func withAddress(part string) *Schema {
	address := &Schema{Type: "string", MaxLength: 320, Pattern: `^[^@\x00-\x1f\x7f]*@[^@\x00-\x1f\x7f]*$`}
	within := func(name string, s *Schema) *Schema {
		return &Schema{Required: []string{name}, Properties: map[string]*Schema{name: s}}
	}
	return within(part, within("recipient", within("emailAddress", address)))
}

const placedFull = `{
  "orderId": "order-example-1", "customerId": "customer-example-1", "checkoutOfCart": "cart-example-1@3", "store": {"id": "store-1"}, "language": "de",
  "lineItems": [{"productId": "4006381000198", "productName": "Seed Box", "category": "garden", "quantity": 3, "pricePerUnit": "USD19.99", "taxRate": 0.06}],
  "shipping": {
    "recipient": {"title": "Ms.", "fullName": "Ada Example", "emailAddress": "ada@example.com", "phoneNumber": "555-0100"},
    "address": {"country": "NL", "lines": ["Example Street 1", "Utrecht"]}, "instructions": "", "method": "express"
  },
  "billing": {
    "recipient": {"title": "Ms.", "fullName": "Ada Example", "emailAddress": "ada@example.com", "phoneNumber": "555-0100"},
    "address": {"country": "NL", "lines": ["Example Street 1", "Utrecht"]}, "paymentMethod": "creditCard"
  },
  "at": "2025-01-01T00:01:06.3292348+00:00"
}`

// placedLeast returns an order with only what is required besides its parts.
func placedLeast(parts string) string {
	return `{"orderId": "order-example-2", "customerId": "customer-example-2",
  "lineItems": [{"productId": "4006381000198", "quantity": 1, "pricePerUnit": "JPY500", "taxRate": 0}],
  ` + parts + `, "at": "2025-01-01T02:00:00Z"}`
}
