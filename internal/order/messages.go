package order

import (
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The types of the events that carry a message for the order's workflow.
const (
	TypeShipmentRecorded = "order-shipment-recorded" // on the order's stream
	TypeCreditApproved   = "credit-approved"         // on the order's CreditDecisionStream
	TypeCreditDeclined   = "credit-declined"         // likewise
)

// CreditDecisionPrefix begins the name of every stream of decisions about an order's
// credit. It is a category of its own, for rights in KurrentDB are given by stream: a
// program that places orders must not approve their credit.
const CreditDecisionPrefix = "creditdecision-"

// CreditDecisionLinks is the stream of links to every decision, which the system projection
// $by_category fills.
const CreditDecisionLinks = "$ce-creditdecision"

// CreditDecisionStream returns the name of the stream of the decisions about an order's
// credit: creditdecision-<order id>.
func CreditDecisionStream(orderID string) string { return CreditDecisionPrefix + orderID }

// OrderDecided returns the order that a stream of decisions is about. It reports false for
// any other stream.
func OrderDecided(stream string) (orderID string, ok bool) {
	orderID, ok = strings.CutPrefix(stream, CreditDecisionPrefix)
	return orderID, ok && ValidID(orderID)
}

// CutOrderID checks the body of an event that carries a message for an order, and returns
// the message: the body's object without orderId. The body may omit the id, but must not
// name another order. Every fault is an *InvalidError.
func CutOrderID(orderID, contentType string, body []byte) (message []byte, err error) {
	var wire struct {
		OrderID *string                   `json:"orderId"`
		Rest    map[string]jsontext.Value `json:",inline"`
	}
	if err := unmarshal(contentType, body, &wire); err != nil {
		return nil, err
	}
	switch {
	case !ValidID(orderID):
		return nil, invalid("orderId", ErrInvalidID.Error())
	case wire.OrderID != nil && *wire.OrderID != orderID:
		return nil, invalid("orderId", "must be the order of the stream")
	case len(wire.Rest) == 0:
		return []byte("{}"), nil
	}
	message, err = json.Marshal(wire.Rest, json.Deterministic(true))
	if err != nil {
		return nil, invalid("", "is not JSON")
	}
	return message, nil
}
