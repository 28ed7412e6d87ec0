package publish

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
)

// eventTypes returns the known event types. The history's trigger chooses among them.
func eventTypes() []string {
	return []string{"order-approved", "order-rejected", "order-shipped", "order-cancelled", "fulfillment-changed"}
}

// Event is the data of every event. Old and New are the history's row images, which
// contain neither recipient nor address.
type Event struct {
	OrderID        string          `json:"orderId"`
	CustomerID     string          `json:"customerId"`
	Status         string          `json:"status"`
	Reason         string          `json:"reason"`
	Total          order.Money     `json:"total"`
	Carrier        string          `json:"carrier"`
	TrackingNumber string          `json:"trackingNumber"`
	Revision       int64           `json:"revision"`
	Old            json.RawMessage `json:"old"` // null for the first version
	New            json.RawMessage `json:"new"`
}

// image holds the fields of a row image that the event repeats under its own names.
type image struct {
	OrderID        string `json:"order_id"`
	CustomerID     string `json:"customer_id"`
	Status         string `json:"status"`
	Reason         string `json:"reason"`
	TotalMinor     int64  `json:"total_minor"`
	Currency       string `json:"currency"`
	Carrier        string `json:"carrier"`
	TrackingNumber string `json:"tracking_number"`
	SourceEventID  string `json:"source_event_id"`
}

// eventOf returns the event of a version. It returns a *Refusal if the version can never
// become an event.
func eventOf(v postgres.Version) (streams.FulfillmentVersion, kurrent.NewEvent, error) {
	row, err := parseImage(v)
	if err != nil {
		return streams.FulfillmentVersion{}, kurrent.NewEvent{}, &Refusal{Code: CodeInvalid, Detail: err.Error()}
	}
	version := streams.FulfillmentVersion{
		OrderID: v.OrderID, Revision: uint64(v.Revision), Type: v.EventType, Content: [][]byte{v.Old, v.New},
		SourceEventID: row.SourceEventID,
		Data: Event{
			OrderID: v.OrderID, CustomerID: row.CustomerID, Status: row.Status, Reason: row.Reason,
			Total: order.Money{Minor: row.TotalMinor, Currency: row.Currency}, Carrier: row.Carrier,
			TrackingNumber: row.TrackingNumber, Revision: v.Revision, Old: v.Old, New: v.New,
		},
	}
	event, err := version.Event()
	if err != nil {
		return streams.FulfillmentVersion{}, kurrent.NewEvent{}, &Refusal{Code: CodeInvalid, Detail: "total: " + errMoney.Error()}
	}
	return version, event, nil
}

var errMoney = errors.New("must be an amount in a known currency")

// parseImage validates a version and decodes its new image. Its errors name the column
// and the problem, never a value.
func parseImage(v postgres.Version) (image, error) {
	var row image
	switch {
	case !order.ValidID(v.OrderID):
		return row, errors.New("order_id: must be order- and 1 to 120 of [A-Za-z0-9._-]")
	case v.Revision < 0:
		return row, errors.New("revision: must not be below zero")
	case !slices.Contains(eventTypes(), v.EventType):
		return row, errors.New("event_type: must be a known event type")
	case (v.Old == nil) != (v.Revision == 0):
		return row, errors.New("old: must be present unless the revision is 0")
	case v.Old != nil && !isObject(v.Old):
		return row, errors.New("old: must be an object")
	case !isObject(v.New):
		return row, errors.New("new: must be an object")
	}
	if err := json.Unmarshal(v.New, &row); err != nil {
		var mistyped *json.UnmarshalTypeError
		if errors.As(err, &mistyped) {
			return row, fmt.Errorf("new.%s: must not be a JSON %s", mistyped.Field, mistyped.Value)
		}
		return row, errors.New("new: must be JSON")
	}
	switch {
	case row.OrderID != v.OrderID:
		return row, errors.New("new.order_id: must equal order_id")
	case !order.ValidIdentifier(row.CustomerID):
		return row, errors.New("new.customer_id: must be an identifier")
	case row.Status == "":
		return row, errors.New("new.status: is required")
	case row.TotalMinor <= 0:
		return row, errors.New("new.total_minor: must be above zero")
	}
	return row, nil
}

func isObject(text []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(text), []byte("{"))
}
