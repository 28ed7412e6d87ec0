package streams

import (
	"bytes"
	"strconv"

	"orderflow/internal/correlation"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
)

// FulfillmentVersion is one version of an order's fulfillment, to be published as an
// event.
type FulfillmentVersion struct {
	OrderID       string
	Revision      uint64 // of the row, and so of the event in its stream
	Type          string
	Data          fulfillment.Event
	SourceEventID string // the order-placed event
	Trace         correlation.Trace
}

// Stream returns the stream that the version belongs to.
func (v FulfillmentVersion) Stream() string { return fulfillment.Stream(v.OrderID) }

// Expected returns the state the stream must be in: its events are the row's versions,
// one by one.
func (v FulfillmentVersion) Expected() kurrent.Expected {
	if v.Revision == 0 {
		return kurrent.NoStream()
	}
	return kurrent.At(v.Revision - 1)
}

// Event returns the event. Its id derives from stream, revision, type and the stored
// images, and not from how the event words them. So a version that a later release appends
// again, perhaps in other words, is still the same event.
func (v FulfillmentVersion) Event() (kurrent.NewEvent, error) {
	data, err := fulfillment.EncodeEvent(v.Data)
	if err != nil {
		return kurrent.NewEvent{}, err
	}
	name := eventName{
		stream: v.Stream(), step: "publish " + strconv.FormatUint(v.Revision, 10), eventType: v.Type,
		data: bytes.Join([][]byte{v.Data.Old, v.Data.New}, []byte{'\n'}),
	}
	metadata := v.Trace.Valid().Or(v.OrderID).Metadata(v.SourceEventID)
	return kurrent.NewEvent{ID: name.id(), Type: v.Type, Data: data, Metadata: metadata}, nil
}
