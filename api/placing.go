package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"orderflow/internal/correlation"
	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// orderStreams holds the streams on which orders are placed. The real one is
// streams.Orders.
type orderStreams interface {
	Append(ctx context.Context, stream string, expected kurrent.Expected, events ...kurrent.NewEvent) (uint64, error)
	ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(kurrent.Event) error) error
	FindPlaced(ctx context.Context, stream string) (kurrent.Event, error)
}

// submission is a submitted order, with missing members filled in.
type submission struct {
	orderID string
	fresh   bool   // the id was generated here: its stream is still empty
	timed   bool   // the sender included the time of the order
	body    []byte // data of the event
}

// Members of an order's body that newSubmission fills in if they are missing.
const (
	orderIDMember = "orderId"
	atMember      = "at"
)

// newSubmission completes and validates a submitted order. A faulty order results in an
// *order.InvalidError or a *problem.
func newSubmission(sent []byte, now time.Time) (submission, error) {
	var members map[string]jsontext.Value
	if err := strict.Unmarshal(sent, &members); err != nil || members == nil {
		_, err := order.DecodePlaced("", jsonType, sent) // its error is more specific
		return submission{}, cmp.Or(err, error(problemOf(http.StatusBadRequest, "the body must be one JSON object")))
	}
	var s submission
	if given, there := members[orderIDMember]; there {
		if json.Unmarshal(given, &s.orderID) != nil {
			return submission{}, badField(orderIDMember, "must be a string")
		}
	} else {
		s.fresh = true
		s.orderID = order.StreamPrefix + strings.ReplaceAll(uuid.NewString(), "-", "")
		members[orderIDMember] = quoted(s.orderID)
	}
	if _, s.timed = members[atMember]; !s.timed {
		members[atMember] = quoted(now.UTC().Format(time.RFC3339Nano))
	}
	var err error
	if s.body, err = strict.Marshal(members, strict.Deterministic(true)); err != nil {
		return submission{}, fmt.Errorf("encode the order: %w", err)
	}
	_, err = order.DecodePlaced(s.orderID, jsonType, s.body)
	return s, err
}

func quoted(s string) jsontext.Value {
	value, _ := jsontext.AppendQuote(nil, s) // ids and times are valid UTF-8
	return value
}

// same reports whether a stored order equals this one. Members that the sender left out
// are not compared.
func (s submission) same(stored []byte) bool {
	return bytes.Equal(s.comparable(s.body), s.comparable(stored))
}

func (s submission) comparable(body []byte) []byte {
	var members map[string]jsontext.Value
	if strict.Unmarshal(body, &members) != nil {
		return body
	}
	if !s.timed {
		delete(members, atMember)
	}
	compared, err := strict.Marshal(members)
	if err == nil {
		compared, err = canonical(compared)
	}
	if err != nil {
		return body
	}
	return compared
}

// withOrderID adds the generated order id to the error if the sender sent no id and a store
// is unavailable. The order may have been placed, and a repeated request means the same
// order only if it has the same id.
func (s submission) withOrderID(w http.ResponseWriter, err error) error {
	if !s.fresh || !isOutage(err) {
		return err
	}
	w.Header().Set("Location", "/orders/"+s.orderID)
	p := problemOf(http.StatusServiceUnavailable,
		"a store is unavailable; whether the order was placed is unknown: repeat the request with this orderId")
	p.OrderID = s.orderID
	return fmt.Errorf("%w: %w", p, err)
}

// placeTries limits how often an append is tried while other writers append to the
// order's stream.
const placeTries = 4

// place appends the order unless it exists already, and reports whether it appended it.
// Another order with the same id is a conflict. The bodies are compared, because
// KurrentDB compares only ids of events.
func place(ctx context.Context, streams orderStreams, s submission, traceparent string) (placed bool, err error) {
	event := kurrent.NewEvent{ID: uuid.New(), Type: order.TypePlaced, Data: s.body, Metadata: metadata(s.orderID, traceparent)}
	for try := range placeTries {
		var expected kurrent.Expected
		if !s.fresh || try > 0 {
			var there bool
			expected, there, err = find(ctx, streams, s)
			if errors.Is(err, kurrent.ErrWrongRevision) {
				continue
			}
			if err != nil || there {
				return false, err
			}
		}
		failpoint.Hit("api.place.before")
		_, err = appendOnce(ctx, streams, order.Stream(s.orderID), expected, event)
		if err == nil {
			failpoint.Hit("api.place.after")
		}
		if !errors.Is(err, kurrent.ErrWrongRevision) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("place %s: %w", s.orderID, kurrent.ErrWrongRevision)
}

// find reports whether the stream has the order already, and returns the revision at
// which to append it. The stream may have events but no order: a cancellation request
// that came first, or an order that could not be decoded.
func find(ctx context.Context, streams orderStreams, s submission) (expected kurrent.Expected, there bool, err error) {
	stored, err := streams.FindPlaced(ctx, order.Stream(s.orderID))
	var invalid *order.InvalidError
	switch {
	case err == nil && s.same(stored.Data):
		return expected, true, nil
	case err == nil:
		return expected, false, conflict("another order was placed with this id")
	case errors.Is(err, kurrent.ErrDeleted):
		return expected, false, conflict("an order of this id was deleted")
	case !errors.Is(err, kurrent.ErrNotFound) && !errors.As(err, &invalid):
		return expected, false, err
	}
	expected, err = end(ctx, streams, order.Stream(s.orderID))
	return expected, false, err
}

// maxEvents limits how many events are read to find the end of a stream. An order's
// stream has only a few.
const maxEvents = 10_000

// end returns the revision of the stream's last event, at which an append succeeds if no
// other writer appends first. It returns kurrent.ErrWrongRevision if the stream has an
// order by now: another writer placed it after FindPlaced had found none.
func end(ctx context.Context, streams orderStreams, stream string) (kurrent.Expected, error) {
	expected := kurrent.NoStream()
	err := streams.ReadStream(ctx, stream, 0, maxEvents, func(e kurrent.Event) error {
		expected = kurrent.At(e.Revision)
		if !order.IsPlaced(e.Type) {
			return nil
		}
		if _, err := order.DecodePlaced(e.Stream, e.ContentType, e.Data); err == nil {
			return kurrent.ErrWrongRevision
		}
		return nil
	})
	if errors.Is(err, kurrent.ErrNotFound) {
		err = nil
	}
	return expected, err
}

// appendOnce appends the event, and repeats the append if the response may have been
// lost. Repeating it writes nothing twice, because the event keeps its id.
func appendOnce(
	ctx context.Context, streams orderStreams, stream string, expected kurrent.Expected, event kurrent.NewEvent,
) (uint64, error) {
	revision, err := streams.Append(ctx, stream, expected, event)
	if errors.Is(err, kurrent.ErrUnavailable) && ctx.Err() == nil {
		revision, err = streams.Append(ctx, stream, expected, event)
	}
	return revision, err
}

// metadata returns the event's metadata: an order starts its own correlation.
func metadata(orderID, traceparent string) []byte {
	return correlation.Trace{CorrelationID: orderID, Traceparent: traceparent}.Valid().Metadata("")
}
