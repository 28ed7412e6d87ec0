package eventcatalog

import (
	"fmt"
	"strings"

	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

var fulfillmentStreams = Channel{
	Name: "fulfillments", Prefix: fulfillment.StreamPrefix, Parameter: "orderId",
	About: "An order's fulfillment: each version of its row in PostgreSQL, without recipient and address.",
}

func fulfillmentEvents() []Event {
	return []Event{
		fulfillmentEvent(fulfillment.TypeApproved, "The order was approved: its fulfillment began.",
			firstVersion(), fulfillmentExample(order.StatusFulfilling, "", "", false)),
		fulfillmentEvent(fulfillment.TypeRejected, "The order was rejected before its fulfillment began.",
			firstVersion(), fulfillmentExample(order.StatusRejected, order.ReasonCreditDeclined, "", false)),
		withParcels(required, fulfillmentEvent(fulfillment.TypeParcelShipped, "A parcel of the order left, and others follow.",
			laterVersion(), parcelExample(order.StatusFulfilling, firstParcel), parcelExample(order.StatusFulfilling, firstParcel, secondParcel))),
		withParcels(optional, fulfillmentEvent(fulfillment.TypeShipped, "The order was shipped: all of it has left.",
			laterVersion(), fulfillmentExample(order.StatusShipped, "", "", true), parcelExample(order.StatusShipped, firstParcel, restParcel))),
		fulfillmentEvent(fulfillment.TypeCancelled, "The order was canceled.",
			laterVersion(), fulfillmentExample(order.StatusCancelled, order.ReasonCancelled, "customer-request", true),
			fulfillmentExample(order.StatusCancelled, order.ReasonCancelled, "customer-request", false)),
		fulfillmentEvent(fulfillment.TypeChanged, "The row changed, and the order's status did not.",
			laterVersion(), fulfillmentExample(order.StatusFulfilling, "", "", true)),
	}
}

// firstVersion returns the schema of the image before the first version of a row.
func firstVersion() *Schema {
	return &Schema{Description: "Null: it is the first version.", Type: "null"}
}

// laterVersion returns the schema of the image before any version of a row.
func laterVersion() *Schema {
	return orNull(imageData("The row before it, or null for the first version."))
}

func fulfillmentEvent(eventType, about string, old *Schema, examples ...string) Event {
	return Event{
		Type: eventType, Channel: fulfillmentStreams, Direction: Send, About: about, Data: fulfillmentData(old), Examples: examples,
		Body: fulfillment.Event{},
		Decode: func(stream string, data []byte) error {
			event, err := fulfillment.DecodeEvent(data)
			if err == nil && fulfillment.Stream(event.OrderID) != stream {
				err = fmt.Errorf("it is on %s", stream)
			}
			if err == nil {
				_, err = event.Version()
			}
			return err
		},
	}
}

func fulfillmentData(old *Schema) *Schema {
	return object("",
		required("orderId", orderID("The order.")),
		required("customerId", identifier("Its customer")),
		required("status", words("One of "+list(order.StatusFulfilling, order.StatusShipped, order.StatusRejected, order.StatusCancelled)+".")),
		required("reason", words("Empty, or one of "+list(order.Reasons()...)+". More may be added.")),
		required("total", money("Goods and tax")),
		required("carrier", words("Empty until the order is shipped.")),
		required("trackingNumber", words("Empty until the order is shipped.")),
		required("revision", whole("Of the row, from 0. It is the event's revision in its stream.", 0, 0)),
		required("old", old),
		required("new", imageData("The row.")))
}

// imageData returns the schema of a version of the row: the columns that the history
// stores.
func imageData(description string) *Schema {
	return object(description,
		required("order_id", orderID("The order.")),
		required("customer_id", identifier("Its customer")),
		required("status", words("As above.")),
		required("reason", orNull(words("As above, or null."))),
		required("code", orNull(words("An operator's code for a cancellation."))),
		required("total_minor", whole("The total in the minor units of its currency.", 0, 0)),
		required("currency", &Schema{Description: "The currency of ISO 4217.", Type: "string", Pattern: `^[A-Z]{3}$`}),
		required("shipping_method", orNull(words("As the order says."))),
		required("carrier", orNull(words("As above, or null."))),
		required("tracking_number", orNull(words("As above, or null."))),
		required("source_event_id", words("The id of the event that placed the order.")),
		required("placed_at", timestamp("When the order was placed.")))
}

func list[T ~string](values ...T) string {
	var all []string
	for _, v := range values {
		all = append(all, string(v))
	}
	return strings.Join(all, ", ")
}

// fulfillmentExample returns the event of a row that began as fulfilling if it was changed
// since.
func fulfillmentExample(status order.Status, reason order.Reason, code string, changed bool) string {
	carrier, number := "", ""
	if status == order.StatusShipped {
		carrier, number = "DHL", "JD014600"
	}
	before, revision := "null", 0
	if changed {
		before, revision = imageExample(order.StatusFulfilling, "", "", "", ""), 1
	}
	return fmt.Sprintf(`{"orderId":"order-example-1","customerId":"customer-example-1","status":%q,"reason":%q,"total":"USD63.57",`+
		`"carrier":%q,"trackingNumber":%q,"revision":%d,"old":%s,"new":%s}`,
		status, reason, carrier, number, revision, before, imageExample(status, reason, code, carrier, number))
}

func imageExample(status order.Status, reason order.Reason, code, carrier, number string) string {
	return fmt.Sprintf(`{"code":%s,"reason":%s,"status":%q,"carrier":%s,"currency":"USD","order_id":"order-example-1",`+
		`"placed_at":"2025-01-01T00:01:06.329234+00:00","customer_id":"customer-example-1","total_minor":6357,`+
		`"shipping_method":"express","source_event_id":"6bcc84bb-cab1-4dc2-a73d-48f264cb57d3","tracking_number":%s}`,
		quoted(code), quoted(string(reason)), status, quoted(carrier), quoted(number))
}

func quoted(text string) string {
	if text == "" {
		return "null"
	}
	return fmt.Sprintf("%q", text)
}
