package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// Fulfillments holds one row per order, with its lines, and changes it together with the
// order's emails. It is safe for concurrent use.
type Fulfillments struct {
	pool  *Pool
	rules EmailRules
}

// NewFulfillments returns the fulfillments in the pool's database. The rules decide which
// emails of a row are due.
func NewFulfillments(pool *Pool, rules EmailRules) *Fulfillments {
	return &Fulfillments{pool: pool, rules: rules.withDefaults()}
}

// StartFulfillment writes the order's row as fulfilling, its lines and its pending
// confirmation. If there is a row already, it writes nothing: a closed order stays
// closed. It returns the stored row, with fulfillment.ErrMismatch if that row belongs to
// another order.
func (f *Fulfillments) StartFulfillment(ctx context.Context, start fulfillment.Start) (fulfillment.Row, error) {
	const op = "start fulfillment"
	placed := start.Order
	args := f.rules.arguments(placed.OrderID)
	identityArguments(args, placed.CustomerID, placed.Total)
	bodyArguments(args, &placed)
	args["status"] = order.StatusFulfilling
	sourceArguments(args, start.Source, placed.PlacedAt)
	args["mail_kind"] = email.KindConfirmation
	args["ship_by"] = optionalDuration(start.ShipBy)

	row, err := f.write(ctx, op, args, insertFulfillment)
	if err == nil && !belongsTo(row, placed.CustomerID, placed.Total) {
		err = fmt.Errorf("%s: %w", op, fulfillment.ErrMismatch)
	}
	return row, err
}

// CloseFulfillment sets the order's row to its final status and queues the email that
// informs the customer. An order without a row gets one in that status, unless it is to
// be shipped or its fulfillment began: then CloseFulfillment returns ErrNotFound.
// Repeating the same close changes nothing.
//
// It returns the row with fulfillment.ErrClosed if the order is closed in another way, or
// the row of an order to be shipped has parcels that the close does not know, with
// fulfillment.ErrMismatch if the row belongs to another order, with fulfillment.ErrInvalid
// if an order to be rejected is being fulfilled, with fulfillment.ErrParcelLeft if a parcel
// of an order to be canceled has left, and with fulfillment.ErrBehind if the row lacks
// parcels of an order to be shipped.
func (f *Fulfillments) CloseFulfillment(ctx context.Context, c fulfillment.Close) (fulfillment.Row, error) {
	const op = "close fulfillment"
	c.Carrier, c.TrackingNumber = storableText(c.Carrier), storableText(c.TrackingNumber)
	args := f.rules.arguments(c.OrderID)
	args["ship_by"] = nil
	identityArguments(args, c.CustomerID, c.Total)
	args["status"], args["reason"], args["code"] = c.Status, optional(string(c.Reason)), optional(c.Code)
	args["carrier"], args["tracking_number"] = optional(c.Carrier), optional(c.TrackingNumber)
	parcelArguments(args, c.Parcels)
	sourceArguments(args, c.Source, c.PlacedAt)
	knownArguments(args, sentOnly(c.Emails))

	var statements []string
	switch c.Status {
	case order.StatusRejected:
		bodyArguments(args, c.Order)
		args["mail_kind"] = email.KindRejection
		statements = []string{insertFulfillment}
	case order.StatusCancelled:
		bodyArguments(args, nil)
		args["mail_kind"] = email.KindCancellation
		statements = []string{lockOrder, settleKnown, cancelFulfillment}
		if !c.Began {
			statements = append([]string{insertFulfillment}, statements...)
		}
	case order.StatusShipped:
		args["mail_kind"] = email.ParcelKind(len(c.Parcels))
		statements = []string{lockOrder, settleKnown, shipFulfillment}
	default:
		return fulfillment.Row{}, &Error{Op: op, Code: "status", kind: fulfillment.ErrInvalid}
	}
	row, err := f.write(ctx, op, args, statements...)
	if err != nil {
		return row, err
	}
	if err := checkClosed(row, c); err != nil {
		return row, fmt.Errorf("%s: %w", op, err)
	}
	return row, nil
}

// checkClosed returns an error if a row, as it is after the close, is not what was
// requested.
func checkClosed(row fulfillment.Row, c fulfillment.Close) error {
	switch {
	case !belongsTo(row, c.CustomerID, c.Total):
		return fulfillment.ErrMismatch
	case !row.Status.Final() && c.Status == order.StatusCancelled:
		return fulfillment.ErrParcelLeft
	case !row.Status.Final() && c.Status == order.StatusShipped && len(row.Parcels) < len(c.Parcels)-1:
		return fulfillment.ErrBehind
	case !row.Status.Final() && c.Status == order.StatusShipped: // it has parcels that the close does not know
		return fulfillment.ErrClosed
	case !row.Status.Final():
		return fmt.Errorf("%w: cannot reject an order that is being fulfilled", fulfillment.ErrInvalid)
	case row.Status != c.Status, row.Reason != c.Reason, row.Code != c.Code, row.Shipment != c.Shipment,
		!order.EqualParcels(row.Parcels, c.Parcels):
		return fulfillment.ErrClosed
	default:
		return nil
	}
}

// FindFulfillment returns the order's row, or ErrNotFound.
func (f *Fulfillments) FindFulfillment(ctx context.Context, orderID string) (fulfillment.Row, error) {
	return f.write(ctx, "find fulfillment", f.rules.arguments(orderID))
}

// EraseOrder blanks the personal data in the order's row and emails: recipient, address
// and email addresses. Pending emails are withdrawn. The revision does not change,
// because none of this is in the history. Repeating the call changes nothing.
func (f *Fulfillments) EraseOrder(ctx context.Context, orderID string) error {
	_, err := f.write(ctx, "erase order", f.rules.arguments(orderID), lockOrder, erasePerson, eraseAddresses)
	return err
}

// write sends the statements and reads the row as it is after them, in one transaction.
func (f *Fulfillments) write(ctx context.Context, op string, args pgx.NamedArgs, statements ...string) (fulfillment.Row, error) {
	var row fulfillment.Row
	var missing bool
	err := f.pool.transact(ctx, op, func(batch *pgx.Batch) {
		row, missing = fulfillment.Row{}, false
		for _, statement := range statements {
			batch.Queue(statement, args)
		}
		batch.Queue(selectFulfillment, args).QueryRow(func(r pgx.Row) error {
			err := scanRow(r, &row)
			missing = errors.Is(err, pgx.ErrNoRows)
			if missing {
				return nil
			}
			return err
		})
	})
	if err == nil && missing {
		err = fmt.Errorf("%s: %w", op, ErrNotFound)
	}
	if err != nil {
		return fulfillment.Row{}, err
	}
	return row, nil
}

func scanRow(r pgx.Row, row *fulfillment.Row) error {
	var shipBy *time.Time
	err := r.Scan(&row.OrderID, &row.CustomerID, &row.Status, &row.Reason, &row.Code, &row.Total.Minor, &row.Total.Currency,
		&row.Carrier, &row.TrackingNumber, &row.Parcels, &row.Quantities, &shipBy, &row.Late, &row.SourceEventID,
		&row.PlacedAt, &row.CreatedAt, &row.UpdatedAt, &row.Revision,
		&row.Email, &row.EmailDue, &row.AlsoDue)
	row.PlacedAt, row.CreatedAt, row.UpdatedAt = row.PlacedAt.UTC(), row.CreatedAt.UTC(), row.UpdatedAt.UTC()
	if len(row.Parcels) == 0 {
		row.Parcels = nil
	}
	if shipBy != nil {
		row.ShipBy = shipBy.UTC()
	}
	return err
}

// parcelArguments adds an order's parcels, and how many it had before the last one.
func parcelArguments(args pgx.NamedArgs, parcels []order.Parcel) {
	args["parcels"], args["parcels_before"] = nil, 0
	if len(parcels) > 0 {
		args["parcels"], args["parcels_before"] = parcels, len(parcels)-1
	}
}

func identityArguments(args pgx.NamedArgs, customerID string, total order.Money) {
	args["customer_id"], args["total_minor"], args["currency"] = customerID, total.Minor, total.Currency
}

// sourceArguments adds where the order comes from, and when it was placed.
func sourceArguments(args pgx.NamedArgs, source order.Source, placedAt time.Time) {
	args["source_event_id"], args["placed_at"] = source.EventID, placedAt
	trace := source.Valid() // the table accepts no others
	args["correlation_id"], args["traceparent"] = optional(trace.CorrelationID), optional(trace.Traceparent)
}

// sentOnly returns the emails that were sent. The workflow of an open order knows no
// other final outcome.
func sentOnly(known map[email.Kind]email.Status) map[email.Kind]email.Status {
	sent := maps.Clone(known)
	maps.DeleteFunc(sent, func(_ email.Kind, status email.Status) bool { return status != email.StatusSent })
	return sent
}

// knownArguments adds what a workflow knows about the emails of its order.
func knownArguments(args pgx.NamedArgs, known map[email.Kind]email.Status) {
	kinds, statuses := []string{}, []string{}
	for kind, status := range known {
		kinds, statuses = append(kinds, string(kind)), append(statuses, string(status))
	}
	args["known_kinds"], args["known_statuses"] = kinds, statuses
}

func belongsTo(row fulfillment.Row, customerID string, total order.Money) bool {
	return row.CustomerID == customerID && row.Total == total
}

// bodyArguments adds the order's shipping data, lines and email address. Without a body
// they are all empty.
func bodyArguments(args pgx.NamedArgs, placed *order.Placed) {
	if placed == nil {
		placed = &order.Placed{}
	}
	args["shipping_method"] = optional(placed.ShippingMethod)
	args["recipient_title"] = optional(placed.Recipient.Title)
	args["recipient_name"] = optional(placed.Recipient.FullName)
	args["recipient_phone"] = optional(placed.Recipient.Phone)
	args["address_country"] = optional(placed.Address.Country)
	args["address_lines"] = storableTexts(placed.Address.Lines)
	args["mail_recipient"], args["language"] = optional(placed.Email), optional(placed.Language)
	lineArguments(args, placed.Lines)
}

// lineArguments adds one array per column, which the database unnests into rows.
func lineArguments(args pgx.NamedArgs, lines []order.Line) {
	n := len(lines)
	numbers, quantities, totals := make([]int, n), make([]int, n), make([]int64, n)
	ids, names, prices, rates := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, line := range lines {
		numbers[i], quantities[i], totals[i] = line.No, line.Quantity, line.Total.Minor
		ids[i], names[i], prices[i], rates[i] = line.ProductID, line.ProductName, line.UnitPrice, line.TaxRate
	}
	args["line_no"], args["quantity"], args["line_total_minor"] = numbers, quantities, totals
	args["product_id"], args["product_name"] = storableTexts(ids), storableTexts(names)
	args["unit_price"], args["tax_rate"] = prices, rates
}

// optional returns nil, which is stored as NULL, for an empty text.
func optional(text string) *string {
	if text = storableText(text); text == "" {
		return nil
	}
	return &text
}

// optionalTime returns nil, which is stored as NULL, for the zero time.
func optionalTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// optionalDuration returns nil, which is stored as NULL, for no duration.
func optionalDuration(d time.Duration) *time.Duration {
	if d == 0 {
		return nil
	}
	return &d
}

func storableTexts(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, storableText(text))
	}
	return all
}

// storableText removes what no text column accepts: NUL bytes and invalid UTF-8. A name
// that contains them is no reason to hold up an order.
func storableText(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
