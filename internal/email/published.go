package email

import (
	"encoding/json"
	"fmt"
	"time"
)

// StreamPrefix begins the name of the stream of an order's email events.
const StreamPrefix = "email-"

// Stream returns the name of the stream of an order's email events.
func Stream(orderID string) string { return StreamPrefix + orderID }

// The types of the events on that stream.
const (
	TypeBounced    = "email-bounced"
	TypeComplained = "email-complained"
)

// PublishedTypes returns all types.
func PublishedTypes() []string { return []string{TypeBounced, TypeComplained} }

// Published is the body of an event on an order's email stream: the address of that email
// takes no more email. It has no address.
type Published struct {
	OrderID    string    `json:"orderId"`
	CustomerID string    `json:"customerId"`
	Kind       Kind      `json:"kind"`
	Attempt    int       `json:"attempt"`
	MessageID  string    `json:"messageId"`        // the provider's
	Detail     string    `json:"detail,omitempty"` // the provider's code, such as Permanent/NoEmail
	At         time.Time `json:"at"`
}

// Publish returns the type and the body of the event that a hard bounce or a complaint
// becomes. It reports false for other events.
func (e Event) Publish(customerID string) (eventType string, body Published, ok bool) {
	switch {
	case !e.Suppresses():
		return "", Published{}, false
	case e.Type == EventComplaint:
		eventType = TypeComplained
	default:
		eventType = TypeBounced
	}
	return eventType, Published{
		OrderID: e.OrderID, CustomerID: customerID, Kind: e.Kind, Attempt: e.Attempt, MessageID: e.MessageID, Detail: e.Detail, At: e.At,
	}, true
}

// EncodePublished encodes an event's body.
func EncodePublished(body Published) ([]byte, error) {
	data, err := json.Marshal(body)
	if err != nil {
		return nil, fmt.Errorf("encode email event: %w", err)
	}
	return data, nil
}
