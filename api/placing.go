package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	strict "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/google/uuid"

	"orderflow/internal/failpoint"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// orderStreams are the streams that orders are placed on. The real one is kurrent.Client.
type orderStreams interface {
	Append(ctx context.Context, stream string, expected kurrent.Expected, events ...kurrent.NewEvent) (uint64, error)
	ReadStream(ctx context.Context, stream string, from uint64, limit int, visit func(kurrent.Event) error) error
	FindPlaced(ctx context.Context, stream string) (kurrent.Event, error)
}

// submission is an order as it was sent, made whole.
type submission struct {
	orderID string
	fresh   bool   // the id was made up here: nothing can stand on its stream yet
	timed   bool   // the sender said when it was placed
	body    []byte // of the event
}

// members of an order's body that are filled in when they are missing.
const (
	orderIDMember = "orderId"
	atMember      = "at"
)

// newSubmission completes and checks what was sent. Any fault is an *order.InvalidError.
func newSubmission(sent []byte, now time.Time) (submission, error) {
	var members map[string]jsontext.Value
	if err := strict.Unmarshal(sent, &members); err != nil || members == nil {
		_, err := order.DecodePlaced("", jsonType, sent) // it says more about what is wrong
		return submission{}, cmp.Or(err, error(problemOf(http.StatusBadRequest, "the body must be one JSON object")))
	}
	var s submission
	if given, there := members[orderIDMember]; there {
		if json.Unmarshal(given, &s.orderID) != nil {
			return submission{}, badField(orderIDMember, "must be a string")
		}
	} else {
		s.fresh = true
		s.orderID = "order-" + strings.ReplaceAll(uuid.NewString(), "-", "")
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

// same tells whether a stored order says what this one says. What the sender left out is
// not compared.
func (s submission) same(stored []byte) bool {
	return bytes.Equal(s.essence(s.body), s.essence(stored))
}

func (s submission) essence(body []byte) []byte {
	var members map[string]jsontext.Value
	if strict.Unmarshal(body, &members) != nil {
		return body
	}
	if !s.timed {
		delete(members, atMember)
	}
	said, err := strict.Marshal(members)
	if err == nil {
		said, err = canonical(said)
	}
	if err != nil {
		return body
	}
	return said
}

// unsettled tells who sent no id, and met an outage, which one was made up: the order may
// stand there, and only with its id is the same request again the same order.
func (s submission) unsettled(w http.ResponseWriter, err error) error {
	if !s.fresh || !isOutage(err) {
		return err
	}
	w.Header().Set("Location", "/orders/"+s.orderID)
	p := problemOf(http.StatusServiceUnavailable,
		"a store does not answer; it is not known whether the order was placed: repeat the request with this orderId")
	p.OrderID = s.orderID
	return fmt.Errorf("%w: %w", p, err)
}

// placeTries bounds how often an order meets others who write to its stream.
const placeTries = 4

// place appends the order unless it is there already, and tells which. Another order of
// the same id is a conflict: the bodies are compared, for KurrentDB itself compares ids
// alone.
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
		_, err = appendOnce(ctx, streams, s.orderID, expected, event)
		if err == nil {
			failpoint.Hit("api.place.after")
		}
		if !errors.Is(err, kurrent.ErrWrongRevision) {
			return err == nil, err
		}
	}
	return false, fmt.Errorf("place %s: %w", s.orderID, kurrent.ErrConflict)
}

// find looks for the order on its stream, and tells where it may be appended. Events may
// stand there without an order: a request to cancel that came first, or an order that
// could not be read.
func find(ctx context.Context, streams orderStreams, s submission) (expected kurrent.Expected, there bool, err error) {
	stored, err := streams.FindPlaced(ctx, s.orderID)
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
	expected, err = end(ctx, streams, s.orderID)
	return expected, false, err
}

// maxEvents bounds how far a stream is read for its end: an order's stream has a handful.
const maxEvents = 10_000

// end gives the expectation that nothing is appended meanwhile. It is
// kurrent.ErrWrongRevision when an order stands there by now: somebody has placed it
// between two looks.
func end(ctx context.Context, streams orderStreams, stream string) (kurrent.Expected, error) {
	expected := kurrent.NoStream()
	err := streams.ReadStream(ctx, stream, 0, maxEvents, func(e kurrent.Event) error {
		expected = kurrent.At(e.Revision)
		if e.Type != order.TypePlaced && e.Type != order.TypePlacedAlias {
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

// appendOnce appends, and once more when the answer may have been lost: the same append
// again writes nothing twice.
func appendOnce(
	ctx context.Context, streams orderStreams, stream string, expected kurrent.Expected, event kurrent.NewEvent,
) (uint64, error) {
	revision, err := streams.Append(ctx, stream, expected, event)
	if errors.Is(err, kurrent.ErrUnavailable) && ctx.Err() == nil {
		revision, err = streams.Append(ctx, stream, expected, event)
	}
	return revision, err
}

// metadata is KurrentDB's convention: an order begins its correlation.
func metadata(orderID, traceparent string) []byte {
	m := map[string]string{"$correlationId": orderID}
	if traceparentPattern.MatchString(traceparent) {
		m["traceparent"] = traceparent
	}
	body, _ := json.Marshal(m) // strings
	return body
}

var traceparentPattern = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
