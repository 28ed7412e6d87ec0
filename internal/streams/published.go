package streams

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// maxVersions bounds how many versions of one fulfillment are read. An order has two or
// three.
const maxVersions = 100

// ErrVersions is returned if an order's published versions cannot be read back: the
// stream was truncated, or is too long.
var ErrVersions = errors.New("published versions cannot be read back")

// Fulfillments reads the streams to which fulfillments are published,
// fulfillment-<order id>.
type Fulfillments struct{ *kurrent.Client }

// PublishedVersions returns what was published about an order's fulfillment, from
// revision 0 on. It returns none if nothing was published or the stream is deleted. An
// event of another writer ends the list, because the versions after it were never
// published. It returns ErrVersions if the stream has lost its beginning or holds 100
// events or more.
func (f Fulfillments) PublishedVersions(ctx context.Context, orderID string) ([]fulfillment.Version, error) {
	stream := fulfillment.Stream(orderID)
	var versions []fulfillment.Version
	err := f.ReadStream(ctx, stream, 0, maxVersions, func(e kurrent.Event) error {
		if e.Revision != uint64(len(versions)) {
			return fmt.Errorf("%w: %s continues at %d", ErrVersions, stream, e.Revision)
		}
		version, ok := versionOf(orderID, e)
		if !ok {
			return errFound
		}
		versions = append(versions, version)
		return nil
	})
	switch {
	case errors.Is(err, errFound), kurrent.IsGone(err):
		return versions, nil
	case err == nil && len(versions) == maxVersions:
		err = fmt.Errorf("%w: %s has %d events or more", ErrVersions, stream, maxVersions)
	}
	if err != nil {
		return nil, fmt.Errorf("read published versions: %w", err)
	}
	return versions, nil
}

// versionOf decodes the row image that an event carries, and reports whether it is the
// image of the event's own revision.
func versionOf(orderID string, e kurrent.Event) (fulfillment.Version, bool) {
	var data struct {
		OrderID  string  `json:"orderId"`
		Revision *uint64 `json:"revision"`
		New      struct {
			OrderID        string       `json:"order_id"`
			CustomerID     string       `json:"customer_id"`
			Status         order.Status `json:"status"`
			Reason         order.Reason `json:"reason"`
			Code           string       `json:"code"`
			TotalMinor     int64        `json:"total_minor"`
			Currency       string       `json:"currency"`
			ShippingMethod string       `json:"shipping_method"`
			Carrier        string       `json:"carrier"`
			TrackingNumber string       `json:"tracking_number"`
			SourceEventID  string       `json:"source_event_id"`
			PlacedAt       time.Time    `json:"placed_at"`
		} `json:"new"`
	}
	if json.Unmarshal(e.Data, &data) != nil {
		return fulfillment.Version{}, false
	}
	row := data.New
	matches := data.OrderID == orderID && row.OrderID == orderID && data.Revision != nil && *data.Revision == e.Revision
	return fulfillment.Version{
		OrderID: row.OrderID, CustomerID: row.CustomerID, Status: row.Status, Reason: row.Reason, Code: row.Code,
		Total:          order.Money{Minor: row.TotalMinor, Currency: row.Currency},
		ShippingMethod: row.ShippingMethod, Shipment: order.Shipment{Carrier: row.Carrier, TrackingNumber: row.TrackingNumber},
		SourceEventID: row.SourceEventID, PlacedAt: row.PlacedAt.UTC(),
	}, matches && (row.Status == order.StatusFulfilling || row.Status.Final())
}
