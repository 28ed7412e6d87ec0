package eventcatalog

import (
	"encoding/json"
	"fmt"

	"orderflow/internal/email"
)

var emailStreams = Channel{
	Name: "emails", Prefix: email.StreamPrefix, Parameter: "orderId",
	About: "What an order's emails showed about the customer's address, which is not in the events.",
}

func emailEvents() []Event {
	return []Event{
		emailEvent(email.TypeBounced, "An email bounced permanently: the address gets no more email.", "Permanent/NoEmail"),
		emailEvent(email.TypeComplained, "The customer called an email spam: the address gets no more email.", "abuse"),
	}
}

func emailEvent(eventType, about, detail string) Event {
	const example = `{"orderId":"order-example-1","customerId":"customer-example-1","kind":"confirmation","attempt":1,` +
		`"messageId":"01000000-example-000000",%s"at":"2025-01-01T00:02:00Z"}`
	return Event{
		Type: eventType, Channel: emailStreams, Direction: Send, About: about, Body: email.Published{},
		Data: object("",
			required("orderId", orderID("The order.")),
			required("customerId", identifier("Its customer")),
			required("kind", words("The email: "+list(email.Kinds()...)+". More may be added.")),
			required("attempt", whole("The attempt to send it, from 1.", 0, 0)),
			required("messageId", words("SES's id of the email.")),
			optional("detail", words("SES's code.")),
			required("at", timestamp("When it happened, by SES's clock."))),
		Examples: []string{fmt.Sprintf(example, fmt.Sprintf(`"detail":%q,`, detail)), fmt.Sprintf(example, "")},
		Decode: func(stream string, data []byte) error {
			var event email.Published
			err := json.Unmarshal(data, &event)
			if err == nil && email.Stream(event.OrderID) != stream {
				err = fmt.Errorf("it is on %s", stream)
			}
			return err
		},
	}
}
