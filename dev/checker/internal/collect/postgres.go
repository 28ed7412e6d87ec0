package collect

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// postgres reads the tables in one snapshot, row by row.
func (r *reader) postgres(ctx context.Context) error {
	connection, err := pgx.Connect(ctx, r.sources.PostgresURL)
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close(context.WithoutCancel(ctx)) }() // it only read
	options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	return pgx.BeginTxFunc(ctx, connection, options, func(tx pgx.Tx) error {
		for _, table := range r.tables() {
			if err := table.read(ctx, tx); err != nil {
				return fmt.Errorf("%s: %w", table.name, err)
			}
		}
		return nil
	})
}

// table pairs a table with the function that reads it.
type table struct {
	name string
	read func(context.Context, pgx.Tx) error
}

func (r *reader) tables() []table {
	tables := []table{
		{"order_fulfillment", r.rows}, {"order_fulfillment_line", r.lines},
		{"order_fulfillment_history", r.versions}, {"email_delivery", r.mails}, {"rows of erased orders", r.remains},
		{"email_suppression", r.suppressions},
	}
	if r.sources.Publisher {
		tables = append(tables, table{"publisher_set_aside", r.setAside})
	}
	if r.sources.View {
		tables = append(tables, table{"customer_view", r.customerViews}, table{"customer_order", r.orderViews}, table{"customer_order_count", r.orderCounts})
	}
	return tables
}

func (r *reader) rows(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, customer_id, status, reason, code, total_minor, currency, shipping_method,
		carrier, tracking_number, source_event_id, placed_at, coalesce(parcels, '[]'), revision, erased_at IS NOT NULL FROM order_fulfillment`)
	if err != nil {
		return err
	}
	var i facts.Image
	var revision int64
	var erased bool
	_, err = pgx.ForEachRow(rows, []any{
		&i.OrderID, &i.CustomerID, &i.Status, &i.Reason, &i.Code, &i.TotalMinor, &i.Currency, &i.ShippingMethod,
		&i.Carrier, &i.TrackingNumber, &i.SourceEventID, &i.PlacedAt, &i.Parcels, &revision, &erased,
	}, func() error {
		row := &facts.Row{
			CustomerID: i.CustomerID, Status: order.Status(i.Status), SourceEventID: i.SourceEventID, PlacedAt: i.PlacedAt,
			Total: order.Money{Minor: i.TotalMinor, Currency: i.Currency}, Revision: revision, Content: i.Digest(),
			Erased: erased, Parcels: i.Parcels,
		}
		if i.Reason != nil {
			row.Reason = order.Reason(*i.Reason)
		}
		i.Parcels = nil // the next row's must not overwrite this one's
		r.facts.Order(i.OrderID).Row = row
		return nil
	})
	return err
}

func (r *reader) lines(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, line_no, product_id, product_name, quantity, unit_price::text,
		tax_rate::text, total_minor FROM order_fulfillment_line ORDER BY order_id, line_no`)
	if err != nil {
		return err
	}
	var id, current, productID, productName, price, rate string
	var no, quantity int
	var total int64
	var digest facts.LineDigest
	var quantities []int
	end := func() {
		if o, ok := r.facts.Orders[current]; ok && o.Row != nil {
			o.Row.Lines, o.Row.Quantities = digest.Lines(), quantities
		}
	}
	_, err = pgx.ForEachRow(rows, []any{&id, &no, &productID, &productName, &quantity, &price, &rate, &total}, func() error {
		if id != current {
			end()
			current, digest, quantities = id, facts.LineDigest{}, nil
		}
		quantities = append(quantities, quantity)
		digest.Add(no, productID, productName, quantity, price, rate, total)
		return nil
	})
	end()
	return err
}

func (r *reader) versions(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, revision, event_type, old::text, new::text
		FROM order_fulfillment_history ORDER BY order_id, revision`)
	if err != nil {
		return err
	}
	var id, eventType, after string
	var revision int64
	var before *string
	_, err = pgx.ForEachRow(rows, []any{&id, &revision, &eventType, &before, &after}, func() error {
		v := facts.Version{Revision: revision, Type: eventType}
		if before != nil {
			v.Old = image(&v, *before).Digest()
		}
		latest := image(&v, after)
		v.New, v.Status, v.Parcels = latest.Digest(), order.Status(latest.Status), len(latest.Parcels)
		r.scan([]byte(after), "history image", id, fmt.Sprintf("version %d", revision))
		o := r.facts.Order(id)
		o.Versions = append(o.Versions, v)
		return nil
	})
	return err
}

// image decodes an image, which may hold the listed columns only.
func image(v *facts.Version, text string) (i facts.Image) {
	decoder := json.NewDecoder(bytes.NewReader([]byte(text)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&i); err != nil {
		v.Fault = "an image cannot be read or holds a column that is not on the list"
	}
	return i
}

func (r *reader) mails(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT order_id, kind, status, unknown_attempts, coalesce(recipient, ''),
		coalesce(resolution, ''), array_remove(message_id || late_message_ids, NULL) FROM email_delivery ORDER BY order_id, seq`)
	if err != nil {
		return err
	}
	var id string
	var m facts.Mail
	_, err = pgx.ForEachRow(rows, []any{&id, &m.Kind, &m.Status, &m.Unknown, &m.Recipient, &m.Resolution, &m.MessageIDs}, func() error {
		o := r.facts.Order(id)
		o.Mails = append(o.Mails, m)
		m.MessageIDs = nil // the next row's must not overwrite this one's
		return nil
	})
	return err
}
