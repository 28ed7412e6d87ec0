package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// domainEvent is the checked part of the body of a published version.
type domainEvent struct {
	OrderID    string          `json:"orderId"`
	CustomerID string          `json:"customerId"`
	Status     order.Status    `json:"status"`
	Total      order.Money     `json:"total"`
	Parcels    []order.Parcel  `json:"parcels"`
	Revision   int64           `json:"revision"`
	Old        json.RawMessage `json:"old"`
	New        json.RawMessage `json:"new"`
}

// versionTypes returns the event types that versions are published as.
func versionTypes() []string {
	return []string{"order-approved", "order-rejected", "order-parcel-shipped", "order-shipped", "order-cancelled", "fulfillment-changed"}
}

func (r *reader) published(e *kurrentdb.RecordedEvent) {
	orderID := strings.TrimPrefix(e.StreamID, fulfillmentPrefix)
	p := facts.Published{Revision: e.EventNumber, Type: e.EventType, Causation: causation(e.UserMetadata)}
	var body domainEvent
	if err := json.Unmarshal(e.Data, &body); err != nil || body.OrderID != orderID {
		p.Fault = "the body cannot be read or names another order"
	}
	p.Version, p.CustomerID, p.Status, p.Total = body.Revision, body.CustomerID, body.Status, body.Total
	p.Parcels = len(body.Parcels)
	var v facts.Version // receives the fault of an image
	if len(body.Old) > 0 && string(body.Old) != "null" {
		p.Old = image(&v, string(body.Old)).Digest()
	}
	p.New = image(&v, string(body.New)).Digest()
	if p.Fault == "" {
		p.Fault = v.Fault
	}
	for _, data := range [][]byte{e.Data, e.UserMetadata} {
		r.scan(data, "fulfilment stream", orderID, fmt.Sprintf("event %d", e.EventNumber))
	}
	p.Foreign = !slices.Contains(versionTypes(), p.Type)
	o := r.facts.Order(orderID)
	o.Published = append(o.Published, p)
}

func (r *reader) setAside(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id FROM publisher_set_aside ORDER BY order_id`)
	if err != nil {
		return err
	}
	r.facts.SetAside, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return err
}

func (r *reader) customerViews(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT customer_id, coalesce(currency, ''), limit_minor, reserved_minor, available_minor,
		credit_revision FROM customer_view`)
	if err != nil {
		return err
	}
	var id string
	var v facts.CustomerView
	_, err = pgx.ForEachRow(rows, []any{&id, &v.Limit.Currency, &v.Limit.Minor, &v.Reserved, &v.Available, &v.Revision}, func() error {
		r.facts.Views[id] = v
		return nil
	})
	return err
}

// orderViews reads what the api shows: one parcel of a shipped order whose row was written
// before the view had them.
func (r *reader) orderViews(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, customer_id, status, total_minor, coalesce(currency, ''),
		fulfillment_revision, greatest(parcels, (status = 'shipped')::integer) FROM customer_order`)
	if err != nil {
		return err
	}
	var id string
	var v facts.OrderView
	_, err = pgx.ForEachRow(rows, []any{&id, &v.CustomerID, &v.Status, &v.Total.Minor, &v.Total.Currency, &v.FulfillmentRevision, &v.Parcels}, func() error {
		seen := v
		r.facts.Order(id).View = &seen
		return nil
	})
	return err
}

// orderCounts reads the counts of the view that differ from its orders.
func (r *reader) orderCounts(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT status, coalesce(counted, 0), coalesce(orders, 0)
		FROM (SELECT status, orders AS counted FROM customer_order_count) AS c
		FULL JOIN (SELECT status, count(*) AS orders FROM customer_order GROUP BY status) AS o USING (status)
		WHERE coalesce(counted, 0) <> coalesce(orders, 0)`)
	if err != nil {
		return err
	}
	r.facts.Counts, err = pgx.CollectRows(rows, pgx.RowToStructByPos[facts.WrongCount])
	return err
}
