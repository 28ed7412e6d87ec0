package eventcatalog

import (
	"orderflow/internal/order"
	"orderflow/workflows"
)

var decisionStreams = Channel{
	Name: "creditDecisions", Prefix: order.CreditDecisionPrefix, Parameter: "orderId",
	About: "Decisions about the credit of an order on hold. The stream has its own category, so that it can have its own rights.",
}

// messageEvents returns the events that carry a message for the order's workflow. Unlike
// other events that Orderflow reads, they may have no member that is not described.
func messageEvents() []Event {
	return []Event{
		{
			Type: order.TypeShipmentRecorded, Channel: orderStreams, Direction: Receive,
			About: "A parcel of the order has left with a carrier: the order is shipped once all of it has left.",
			Data: closed(object("",
				optional("orderId", orderID("The name of the stream.")),
				required("carrier", &Schema{
					Description: "Printable characters, without blanks around them.", Type: "string", MinLength: 1, MaxLength: 64,
					Pattern: `^[^\x00-\x20\x7f]([^\x00-\x1f\x7f]*[^\x00-\x20\x7f])?$`,
				}),
				required("trackingNumber", &Schema{
					Description: "The carrier's number of the parcel.", Type: "string",
					Pattern: `^[A-Za-z0-9._/&+-]([A-Za-z0-9 ._/&+-]{0,62}[A-Za-z0-9._/&+-])?$`,
				}),
				optional("lines", array("What the parcel contains of the order's lines, each at most once. Without it, all that is left of the order.", 1, 500,
					closed(object("",
						required("line", atLeastOne("The number of the order's line, from 1.")),
						required("quantity", atLeastOne("How many pieces of it.")))))))),
			Examples: []string{
				`{"orderId":"order-example-1","carrier":"DHL","trackingNumber":"JD014601","lines":[{"line":1,"quantity":2},{"line":2,"quantity":1}]}`,
				`{"orderId":"order-example-1","carrier":"DHL","trackingNumber":"00340434292135100186"}`,
				`{"carrier":"DHL","trackingNumber":"00340434292135100186"}`,
			},
			Decode: func(stream string, data []byte) error {
				_, err := workflows.DecodeEvent[workflows.RecordShipment](stream, "application/json", data)
				return err
			},
		},
		decision(order.TypeCreditApproved, "An operator approves the order, although its credit does not suffice.", decodeDecision[workflows.ApproveCredit]),
		decision(order.TypeCreditDeclined, "An operator declines the order.", decodeDecision[workflows.DeclineCredit]),
	}
}

func decision(eventType, about string, decode func(stream string, data []byte) error) Event {
	return Event{
		Type: eventType, Channel: decisionStreams, Direction: Receive, About: about, Decode: decode,
		Data: closed(object("",
			optional("orderId", orderID("The order that the stream is named after.")),
			required("by", code("Who decided: an id, and no name.")),
			optional("note", &Schema{Description: "Not stored.", Type: "string", MaxLength: 200, Pattern: `^[^@]*$`}))),
		Examples: []string{
			`{"orderId":"order-example-1","by":"op-1","note":"a regular customer"}`,
			`{"orderId":"order-example-1","by":"op-1"}`,
			`{"by":"op-1","note":"a regular customer"}`,
		},
	}
}

func decodeDecision[M workflows.Message](stream string, data []byte) error {
	orderID, _ := order.OrderDecided(stream)
	_, err := workflows.DecodeEvent[M](orderID, "application/json", data)
	return err
}

// closed returns the schema of an object that has no other members.
func closed(s *Schema) *Schema {
	s.Additional = new(bool)
	return s
}
