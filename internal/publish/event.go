package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
)

// eventOf returns the event of a version. It returns a *Refusal if the version can never
// become an event.
func eventOf(v postgres.Version) (streams.FulfillmentVersion, kurrent.NewEvent, error) {
	row, err := decodeRow(v)
	if err != nil {
		return streams.FulfillmentVersion{}, kurrent.NewEvent{}, &Refusal{Code: CodeInvalid, Detail: err.Error()}
	}
	version := streams.FulfillmentVersion{
		OrderID: v.OrderID, Revision: uint64(v.Revision), Type: v.EventType, SourceEventID: row.SourceEventID, Trace: v.Trace,
		Data: fulfillment.NewEvent(row, v.Revision, v.Old, v.New),
	}
	event, err := version.Event()
	if err != nil {
		return streams.FulfillmentVersion{}, kurrent.NewEvent{}, &Refusal{Code: CodeInvalid, Detail: "total: " + errMoney.Error()}
	}
	return version, event, nil
}

var errMoney = errors.New("must be an amount in a known currency")

// decodeRow validates a version and decodes its new image. Its errors name the column and
// the problem, never a value.
func decodeRow(v postgres.Version) (row fulfillment.Version, err error) {
	switch {
	case !order.ValidID(v.OrderID):
		return row, fmt.Errorf("order_id: %w", order.ErrInvalidID)
	case v.Revision < 0:
		return row, errors.New("revision: must not be below zero")
	case !slices.Contains(fulfillment.EventTypes(), v.EventType):
		return row, errors.New("event_type: must be a known event type")
	case (v.Old == nil) != (v.Revision == 0):
		return row, errors.New("old: must be present unless the revision is 0")
	case v.Old != nil && !isObject(v.Old):
		return row, errors.New("old: must be an object")
	case !isObject(v.New):
		return row, errors.New("new: must be an object")
	}
	if row, err = fulfillment.DecodeImage(v.New); err != nil {
		if mistyped, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
			return row, fmt.Errorf("new.%s: must not be a JSON %s", mistyped.Field, mistyped.Value)
		}
		return row, errors.New("new: must be the JSON of a row")
	}
	switch {
	case row.OrderID != v.OrderID:
		return row, errors.New("new.order_id: must equal order_id")
	case !order.ValidIdentifier(row.CustomerID):
		return row, fmt.Errorf("new.customer_id: %w", order.ErrInvalidIdentifier)
	case row.Status == "":
		return row, errors.New("new.status: is required")
	case row.Total.Minor <= 0:
		return row, errors.New("new.total_minor: must be above zero")
	}
	return row, nil
}

func isObject(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
}
