package eventcatalog

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// Direction is what Orderflow does with an event, in the terms of AsyncAPI.
type Direction string

// The directions. Orderflow also reads the credit events that it writes.
const (
	Receive Direction = "receive"
	Send    Direction = "send"
)

// Channel is a kind of stream.
type Channel struct {
	Name      string // in the AsyncAPI document
	Prefix    string // of the streams' names, which is their category and a dash
	Parameter string // what follows the prefix
	About     string
}

// Event is one type of event.
type Event struct {
	Type      string
	Aliases   []string // other names of the type
	Channel   Channel
	Direction Direction
	About     string // one sentence
	Data      *Schema
	Examples  []string // JSON of the data: one with every member, and others such that each optional member is missing once
	Body      any      // the zero value of what the data is encoded from; nil if the code has no exported type for it

	// Decode decodes the data as the code does.
	Decode func(stream string, data []byte) error
}

// Events returns all events: those in first.
func Events() []Event {
	return slices.Concat(orderEvents(), messageEvents(), creditEvents(), fulfillmentEvents(), emailEvents())
}

// Stream returns the name of the stream that an example is on.
func (e Event) Stream(example []byte) (string, error) {
	var ids struct {
		OrderID    string `json:"orderId"`
		CustomerID string `json:"customerId"`
	}
	if err := json.Unmarshal(example, &ids); err != nil {
		return "", err
	}
	switch {
	case e.Channel.Prefix == "order-" && ids.OrderID != "":
		return ids.OrderID, nil
	case e.Channel.Prefix == "order-":
		return "order-example-1", nil
	case e.Channel.Parameter == "orderId" && ids.OrderID == "":
		return e.Channel.Prefix + "order-example-1", nil
	case e.Channel.Parameter == "orderId":
		return e.Channel.Prefix + ids.OrderID, nil
	case ids.CustomerID != "":
		return e.Channel.Prefix + ids.CustomerID, nil
	default:
		return e.Channel.Prefix + "customer-example-1", nil
	}
}

// Find returns the event of a type on a stream.
func Find(stream, eventType string) (Event, bool) {
	for _, e := range Events() {
		if strings.HasPrefix(stream, e.Channel.Prefix) && (e.Type == eventType || slices.Contains(e.Aliases, eventType)) {
			return e, true
		}
	}
	return Event{}, false
}

// SentTypes returns the types of the events that Orderflow writes.
func SentTypes() (types []string) {
	for _, e := range Events() {
		if e.Direction == Send {
			types = append(types, e.Type)
		}
	}
	return types
}

// CheckSent returns an error if Orderflow writes an event of this type, and its data is
// not as described or has a member that is not. It knows no other events.
func CheckSent(stream, eventType string, data []byte) error {
	e, ok := Find(stream, eventType)
	if !ok || e.Direction != Send {
		return nil
	}
	if err := Describes(e, data); err != nil {
		return fmt.Errorf("%s on %s: %w", eventType, stream, err)
	}
	return nil
}

// compiled returns the strict schema of each type.
var compiled = sync.OnceValues(func() (map[string]*jsonschema.Schema, error) {
	schemas := map[string]*jsonschema.Schema{}
	for _, e := range Events() {
		schema, err := compile(e.Data.strict())
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Type, err)
		}
		schemas[e.Type] = schema
	}
	return schemas, nil
})

// compile returns a validator of a schema, which checks formats too.
func compile(s *Schema) (*jsonschema.Schema, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		return nil, err
	}
	compiler := jsonschema.NewCompiler()
	compiler.DefaultDraft(jsonschema.Draft7)
	compiler.AssertFormat()
	if err := compiler.AddResource("schema.json", document); err != nil {
		return nil, err
	}
	return compiler.Compile("schema.json")
}

func validate(schema *jsonschema.Schema, data []byte) error {
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// Describes returns an error unless the event's schema describes the data and each of its
// members.
func Describes(e Event, data []byte) error {
	schemas, err := compiled()
	if err != nil {
		return err
	}
	return validate(schemas[e.Type], data)
}

// Accepts returns in refusal why the schema, which allows members that it does not
// describe, refuses the data.
func Accepts(e Event, data []byte) (refusal, err error) {
	schema, err := compile(e.Data)
	if err != nil {
		return nil, err
	}
	return validate(schema, data), nil
}
