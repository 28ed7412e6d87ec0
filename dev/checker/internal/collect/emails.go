package collect

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/dev/checker/internal/facts"
)

// emailEvent keeps an event of an order's email stream.
func (r *reader) emailEvent(e *kurrentdb.RecordedEvent) {
	orderID := strings.TrimPrefix(e.StreamID, emailPrefix)
	event := facts.EmailEvent{Type: e.EventType}
	var body struct {
		OrderID   string `json:"orderId"`
		Kind      string `json:"kind"`
		MessageID string `json:"messageId"`
	}
	if err := json.Unmarshal(e.Data, &body); err != nil || body.OrderID != orderID {
		event.Fault = "the body cannot be read or names another order"
	}
	event.Kind, event.MessageID = body.Kind, body.MessageID
	for _, data := range [][]byte{e.Data, e.UserMetadata} {
		r.scan(data, "email stream", orderID, fmt.Sprintf("event %d", e.EventNumber))
	}
	o := r.facts.Order(orderID)
	o.EmailEvents = append(o.EmailEvents, event)
}

// suppressions reads the addresses that take no more email, by the order that showed it.
func (r *reader) suppressions(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, since FROM email_suppression`)
	if err != nil {
		return err
	}
	var id string
	var since time.Time
	_, err = pgx.ForEachRow(rows, []any{&id, &since}, func() error {
		at := since
		r.facts.Order(id).Suppressed = &at
		return nil
	})
	return err
}
