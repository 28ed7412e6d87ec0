package kurrent

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"orderflow/internal/credit"
)

// proposedEvents are the events of one step, ready to be appended as often as it takes.
func proposedEvents(r credit.Request, step string, events []credit.Event) ([]NewEvent, error) {
	metadata, err := metadataOf(r)
	if err != nil {
		return nil, err
	}
	proposed := make([]NewEvent, len(events))
	for i, event := range events {
		data, err := credit.EncodeEvent(event)
		if err != nil {
			return nil, err
		}
		name := eventName{stream: streamOf(r.CustomerID), step: step + " " + r.OrderID, index: i, eventType: event.EventType(), data: data}
		proposed[i] = NewEvent{ID: name.id(), Type: event.EventType(), Data: data, Metadata: metadata}
	}
	return proposed, nil
}

// eventName is what makes an event the same event when its append is repeated. KurrentDB compares ids and nothing else, so
// everything an event is has to be in its id: another decision of the same step must not pass for this one.
type eventName struct {
	stream    string
	step      string // what was asked, and about which order
	index     int    // within the step
	eventType string
	data      []byte
}

// id is the UUIDv5, in the namespace of URLs, of
//
//	orderflow:<stream>\n<step>\n<index>\n<type>\n<SHA-256 of the data, in hex>
//
// None of these holds a line feed. The layout is for ever: a change would let an append that is repeated across an upgrade
// write twice.
func (n eventName) id() uuid.UUID {
	sum := sha256.Sum256(n.data)
	name := []string{n.stream, n.step, strconv.Itoa(n.index), n.eventType, hex.EncodeToString(sum[:])}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("orderflow:"+strings.Join(name, "\n")))
}

// eventMetadata is KurrentDB's convention: the correlation runs through everything one order causes, and the causation
// names the event that led to this one.
type eventMetadata struct {
	CorrelationID string `json:"$correlationId"`
	CausationID   string `json:"$causationId,omitempty"`
	Traceparent   string `json:"traceparent,omitempty"`
}

func metadataOf(r credit.Request) ([]byte, error) {
	metadata, err := json.Marshal(eventMetadata{
		CorrelationID: cmp.Or(r.Source.CorrelationID, r.OrderID),
		CausationID:   r.Source.EventID,
		Traceparent:   r.Source.Traceparent,
	})
	if err != nil {
		return nil, fmt.Errorf("encode metadata: %w", err)
	}
	return metadata, nil
}
