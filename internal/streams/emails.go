package streams

import (
	"context"
	"errors"
	"fmt"

	"github.com/google/uuid"

	"orderflow/internal/email"
	"orderflow/internal/kurrent"
)

const (
	maxEmailEvents = 100 // of one order; more are refused, because each append reads the stream
	appendTries    = 5
)

// ErrEmailEvents is returned if an order has as many email events as are kept.
var ErrEmailEvents = errors.New("the order has too many email events")

// Emails appends to the streams of orders' email events, email-<order id>.
type Emails struct{ *kurrent.Client }

// PublishEmailEvent appends the event that a hard bounce or a complaint becomes, unless it
// is in the stream already. Other events are no error and append nothing. The caller may
// repeat it at any time: an email bounces once, however often that is reported.
func (s Emails) PublishEmailEvent(ctx context.Context, e email.Event, known email.Recorded) error {
	eventType, body, ok := e.Publish(known.CustomerID)
	if !ok {
		return nil
	}
	data, err := email.EncodePublished(body)
	if err != nil {
		return err
	}
	stream := email.Stream(e.OrderID)
	name := eventName{stream: stream, step: "report " + string(e.Kind) + " " + e.MessageID, eventType: eventType}
	event := kurrent.NewEvent{
		ID: name.id(), Type: eventType, Data: data, Metadata: known.Trace.Valid().Or(e.OrderID).Metadata(known.SourceEventID),
	}
	for range appendTries {
		var found bool
		var expected kurrent.Expected
		if found, expected, err = s.find(ctx, stream, event.ID); err != nil || found {
			break
		}
		if _, err = s.Append(ctx, stream, expected, event); !errors.Is(err, kurrent.ErrWrongRevision) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("publish email event: %w", err)
	}
	return nil
}

// find reports whether the stream has the event, and the state in which to append it.
func (s Emails) find(ctx context.Context, stream string, id uuid.UUID) (found bool, expected kurrent.Expected, err error) {
	read := 0
	err = s.ReadStream(ctx, stream, 0, maxEmailEvents, func(e kurrent.Event) error {
		read++
		found, expected = found || e.ID == id, kurrent.At(e.Revision)
		return nil
	})
	switch {
	case kurrent.IsGone(err) && !errors.Is(err, kurrent.ErrDeleted):
		return false, kurrent.NoStream(), nil
	case err == nil && !found && read == maxEmailEvents:
		err = ErrEmailEvents
	}
	return found, expected, err
}
