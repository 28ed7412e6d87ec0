package eventcatalog

import (
	"orderflow/internal/credit"
)

var creditStreams = Channel{
	Name: "credit", Prefix: credit.StreamPrefix, Parameter: "customerId",
	About: "A customer's credit account. Only Orderflow writes it, at exactly the revision that it decided at.",
}

func creditEvents() []Event {
	return []Event{
		creditEvent(credit.Opened{}, "The account was opened. Its limit fixes its currency.",
			object("", required("customerId", identifier("The customer")), required("limit", money("The limit"))),
			`{"customerId":"customer-example-1","limit":"USD10000.00"}`),
		creditEvent(credit.LimitChanged{}, "The limit was changed. Open reservations remain.",
			object("", required("customerId", identifier("The customer")), required("limit", money("The limit"))),
			`{"customerId":"customer-example-1","limit":"USD750.00"}`),
		creditEvent(credit.Reserved{}, "An amount was reserved for an order.",
			object("",
				required("orderId", orderID("The order.")),
				required("amount", money("The order's total")),
				optional("approvedBy", code("The operator who approved it, outside the rule.")),
				optional("freedBy", words("For an order that was on hold: the id of the event that raised the limit or released credit."))),
			`{"orderId":"order-example-1","amount":"USD63.57","approvedBy":"op-1"}`,
			`{"orderId":"order-example-2","amount":"USD63.57","freedBy":"0d0f4c9e-5d4c-5f7e-9d5b-5f0a2c1b7e11"}`,
			`{"orderId":"order-example-1","amount":"USD63.57"}`),
		creditEvent(credit.LimitExceeded{}, "An order was not reserved: it is held for an operator, or refused.",
			object("",
				required("orderId", orderID("The order.")),
				required("amount", money("The order's total")),
				required("available", money("The amount that could be reserved")),
				required("held", boolean("Whether it waits for an operator.")),
				optional("holdUntil", timestamp("The end of the hold."))),
			`{"orderId":"order-example-2","amount":"USD13032.38","available":"USD10000.00","held":true,"holdUntil":"2025-01-01T11:50:15.536Z"}`,
			`{"orderId":"order-example-2","amount":"USD13032.38","available":"USD10000.00","held":false}`),
		creditEvent(credit.Released{}, "An order was closed in the account, and what was reserved for it is free.",
			object("",
				required("orderId", orderID("The order.")),
				required("amount", money("What was freed; may be 0")),
				required("reason", code("A reason of an order, or paid.")),
				optional("declinedBy", code("The operator who declined it.")),
				optional("paid", money("What was paid in all, if the reason is paid")),
				optional("overpaid", money("What was paid beyond the total"))),
			`{"orderId":"order-example-2","amount":"USD0.00","reason":"CREDIT_DECLINED","declinedBy":"op-2"}`,
			`{"orderId":"order-example-1","amount":"USD63.57","reason":"paid","paid":"USD63.57","overpaid":"USD0.00"}`,
			`{"orderId":"order-example-3","amount":"USD2921.66","reason":"CANCELLED"}`),
	}
}

func creditEvent(body credit.Event, about string, data *Schema, examples ...string) Event {
	return Event{
		Type: body.EventType(), Channel: creditStreams, Direction: Send, About: about, Data: data, Examples: examples, Body: body,
		Decode: func(_ string, data []byte) error {
			_, err := credit.DecodeEvent(body.EventType(), data)
			return err
		},
	}
}
