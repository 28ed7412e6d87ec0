package kurrent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// FulfillmentPrefix is the prefix of the streams that record the fulfillment of an order:
// fulfillment-<order id>.
const FulfillmentPrefix = "fulfillment-"

// FulfillmentVersion is one version of an order's fulfillment, to be published as an
// event.
type FulfillmentVersion struct {
	OrderID       string
	Revision      uint64 // of the row, and so of the event in its stream
	Type          string
	Content       [][]byte // what was stored: the event's id derives from it, and from stream, revision and type
	Data          any      // the event's JSON
	SourceEventID string   // the order-placed event
}

// Stream returns the stream that the version belongs to.
func (v FulfillmentVersion) Stream() string { return FulfillmentPrefix + v.OrderID }

// Expected returns the state the stream must be in: its events are the row's versions,
// one by one.
func (v FulfillmentVersion) Expected() Expected {
	if v.Revision == 0 {
		return NoStream()
	}
	return At(v.Revision - 1)
}

// Event returns the event. Its id derives from what was stored and not from how the event
// words it. So a version that a later release appends again, perhaps in other words, is
// still the same event.
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
