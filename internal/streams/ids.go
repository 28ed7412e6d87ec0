package streams

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/google/uuid"

	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
)

// proposedEvents returns the events of one step. They can be appended any number of
// times.
func proposedEvents(r credit.Request, step string, events []credit.Event) ([]kurrent.NewEvent, error) {
	metadata := r.Source.Valid().Or(cmp.Or(r.OrderID, r.CustomerID)).Metadata(r.Source.EventID)
	proposed := make([]kurrent.NewEvent, len(events))
	for i, event := range events {
		data, err := credit.EncodeEvent(event)
		if err != nil {
			return nil, err
		}
		name := eventName{stream: credit.Stream(r.CustomerID), step: step + " " + r.OrderID, index: i, eventType: event.EventType(), data: data}
		proposed[i] = kurrent.NewEvent{ID: name.id(), Type: event.EventType(), Data: data, Metadata: metadata}
	}
	return proposed, nil
}

// eventName identifies an event, so that a repeated append writes the same event.
// KurrentDB compares only ids, so the id must cover everything the event is made of:
// another decision of the same step must not be taken for this one.
type eventName struct {
	stream    string
	step      string // the command, and the order it is about
	index     int    // within the step
	eventType string
	data      []byte
}

// id returns the UUIDv5, in the namespace of URLs, of
//
//	orderflow:<stream>\n<step>\n<index>\n<type>\n<SHA-256 of the data, in hex>
//
// None of these contains a line feed. The layout must never change: otherwise an append
// that is repeated across an upgrade would write twice.
func (n eventName) id() uuid.UUID {
	sum := sha256.Sum256(n.data)
	name := []string{n.stream, n.step, strconv.Itoa(n.index), n.eventType, hex.EncodeToString(sum[:])}
	return uuid.NewSHA1(uuid.NameSpaceURL, []byte("orderflow:"+strings.Join(name, "\n")))
}
