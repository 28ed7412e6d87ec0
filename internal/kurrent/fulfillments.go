package kurrent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// FulfillmentPrefix begins the name of the stream that tells what became of an order: fulfillment-<order id>.
const FulfillmentPrefix = "fulfillment-"

// FulfillmentVersion is one version of an order's fulfilment, on its way to becoming an event.
type FulfillmentVersion struct {
	OrderID       string
	Revision      uint64 // of the row, and so of the event in its stream
	Type          string
	Content       [][]byte // what was stored: with stream, revision and type it makes the event's id
	Data          any      // the event's JSON
	SourceEventID string   // the order-placed event
}

// Stream is where the version belongs.
func (v FulfillmentVersion) Stream() string { return FulfillmentPrefix + v.OrderID }

// Expected is where the stream has to be: its events are the row's versions, one by one.
func (v FulfillmentVersion) Expected() Expected {
	if v.Revision == 0 {
		return NoStream()
	}
	return At(v.Revision - 1)
}

// Event makes the event. Its id comes from what was stored and not from how the event words it, so that a version that is
// appended again by a later release, which may word it otherwise, is still the same event.
func (v FulfillmentVersion) Event() (NewEvent, error) {
	data, err := json.Marshal(v.Data)
	if err != nil {
		return NewEvent{}, fmt.Errorf("encode event: %w", err)
	}
	metadata, err := json.Marshal(eventMetadata{CorrelationID: v.OrderID, CausationID: v.SourceEventID})
	if err != nil {
		return NewEvent{}, fmt.Errorf("encode metadata: %w", err)
	}
	name := eventName{
		stream: v.Stream(), step: "publish " + strconv.FormatUint(v.Revision, 10), eventType: v.Type,
		data: bytes.Join(v.Content, []byte{'\n'}),
	}
	return NewEvent{ID: name.id(), Type: v.Type, Data: data, Metadata: metadata}, nil
}
