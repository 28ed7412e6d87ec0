package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// StartFulfillment writes the order's row as fulfilling, its lines and its pending confirmation, or writes nothing when
// there is a row, and answers what is stored: a closed order stays closed. It returns fulfillment.ErrMismatch with the
// row when that is another order's.
func (s *Store) StartFulfillment(ctx context.Context, start fulfillment.Start) (fulfillment.Row, error) {
	const op = "start fulfilment"
	placed := start.Order
	args := s.arguments(placed.OrderID)
	identityArguments(args, placed.CustomerID, placed.Total)
	bodyArguments(args, &placed)
	args["status"] = order.StatusFulfilling
	args["source_event_id"], args["placed_at"] = start.SourceEventID, placed.PlacedAt
	args["mail_kind"] = email.KindConfirmation

	row, err := s.write(ctx, op, args, insertFulfillment)
	if err == nil && !sameAs(row, placed.CustomerID, placed.Total) {
		err = fmt.Errorf("%s: %w", op, fulfillment.ErrMismatch)
	}
	return row, err
}

// CloseFulfillment brings the order's row into its final status and queues the mail that tells the customer; an order
// without a row gets one in that status, unless it is to be shipped or its fulfillment began, which is ErrNotFound. The
// same close again changes nothing. It returns the row with fulfillment.ErrClosed when that is closed otherwise, with fulfillment.ErrMismatch
// when it is another order's, and with fulfillment.ErrInvalid when an order to be rejected is being fulfilled.
func (s *Store) CloseFulfillment(ctx context.Context, c fulfillment.Close) (fulfillment.Row, error) {
	const op = "close fulfilment"
	c.Carrier, c.TrackingNumber = storable(c.Carrier), storable(c.TrackingNumber)
	args := s.arguments(c.OrderID)
	identityArguments(args, c.CustomerID, c.Total)
	args["status"], args["reason"], args["code"] = c.Status, optional(string(c.Reason)), optional(c.Code)
	args["carrier"], args["tracking_number"] = optional(c.Carrier), optional(c.TrackingNumber)
	args["source_event_id"], args["placed_at"] = c.SourceEventID, c.PlacedAt
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
		args["mail_kind"] = email.KindShipment
		statements = []string{lockOrder, settleKnown, shipFulfillment}
	default:
		return fulfillment.Row{}, &Error{Op: op, Code: "status", kind: fulfillment.ErrInvalid}
	}
	row, err := s.write(ctx, op, args, statements...)
	if err != nil {
		return row, err
	}
	if err := compare(row, c); err != nil {
		return row, fmt.Errorf("%s: %w", op, err)
	}
	return row, nil
}

// compare says in which way a row, as it is after the close, is not what was asked for.
func compare(row fulfillment.Row, c fulfillment.Close) error {
	switch {
	case !sameAs(row, c.CustomerID, c.Total):
		return fulfillment.ErrMismatch
	case !row.Status.Final():
		return fmt.Errorf("%w: an order that is being fulfilled is not rejected", fulfillment.ErrInvalid)
	case row.Status != c.Status, row.Reason != c.Reason, row.Code != c.Code,
		row.Carrier != c.Carrier, row.TrackingNumber != c.TrackingNumber:
		return fulfillment.ErrClosed
	default:
		return nil
	}
}

// FindFulfillment reads the order's row, or returns ErrNotFound.
func (s *Store) FindFulfillment(ctx context.Context, orderID string) (fulfillment.Row, error) {
	return s.write(ctx, "find fulfilment", s.arguments(orderID))
}

// EraseOrder blanks what the order's row and mails say about a person: recipient, address and mail addresses. Mails that
// wait are taken back. The revision stays, for none of that ever was in the history; the same call again changes
// nothing.
func (s *Store) EraseOrder(ctx context.Context, orderID string) error {
	_, err := s.write(ctx, "erase order", s.arguments(orderID), lockOrder, erasePerson, eraseAddresses)
	return err
}

// write sends the statements and reads the row as it is after them, in one transaction.
func (s *Store) write(ctx context.Context, op string, args pgx.NamedArgs, statements ...string) (fulfillment.Row, error) {
	var row fulfillment.Row
	var missing bool
	err := s.transact(ctx, op, func(batch *pgx.Batch) {
		row, missing = fulfillment.Row{}, false
		for _, statement := range statements {
			batch.Queue(statement, args)
		}
		batch.Queue(selectFulfillment(), args).QueryRow(func(r pgx.Row) error {
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
	err := r.Scan(&row.OrderID, &row.CustomerID, &row.Status, &row.Reason, &row.Code, &row.Total.Minor, &row.Total.Currency,
		&row.Carrier, &row.TrackingNumber, &row.SourceEventID, &row.PlacedAt, &row.CreatedAt, &row.UpdatedAt, &row.Revision,
		&row.Email, &row.MailDue, &row.AlsoDue)
	row.PlacedAt, row.CreatedAt, row.UpdatedAt = row.PlacedAt.UTC(), row.CreatedAt.UTC(), row.UpdatedAt.UTC()
	return err
}

// arguments are the ones that every statement shares.
func (s *Store) arguments(orderID string) pgx.NamedArgs {
	return pgx.NamedArgs{"order_id": orderID, "resend": s.config.Unknown == email.PolicyResend}
}

func identityArguments(args pgx.NamedArgs, customerID string, total order.Money) {
	args["customer_id"], args["total_minor"], args["currency"] = customerID, total.Minor, total.Currency
}

// sentOnly returns the emails that were sent. An open order's workflow knows of no other outcome that is the last.
func sentOnly(known map[email.Kind]email.Status) map[email.Kind]email.Status {
	sent := maps.Clone(known)
	maps.DeleteFunc(sent, func(_ email.Kind, status email.Status) bool { return status != email.StatusSent })
	return sent
}

// knownArguments are what a workflow says about the emails of its order.
func knownArguments(args pgx.NamedArgs, known map[email.Kind]email.Status) {
	kinds, statuses := []string{}, []string{}
	for kind, status := range known {
		kinds, statuses = append(kinds, string(kind)), append(statuses, string(status))
	}
	args["known_kinds"], args["known_statuses"] = kinds, statuses
}

func sameAs(row fulfillment.Row, customerID string, total order.Money) bool {
	return row.CustomerID == customerID && row.Total == total
}

// bodyArguments are what the order's body says about the parcel, the lines and the mail address; all of it is empty
// where there is no body.
func bodyArguments(args pgx.NamedArgs, placed *order.Placed) {
	if placed == nil {
		placed = &order.Placed{}
	}
	args["shipping_method"] = optional(placed.ShippingMethod)
	args["recipient_title"] = optional(placed.Recipient.Title)
	args["recipient_name"] = optional(placed.Recipient.FullName)
	args["recipient_phone"] = optional(placed.Recipient.Phone)
	args["address_country"] = optional(placed.Address.Country)
	args["address_lines"] = clean(placed.Address.Lines)
	args["mail_recipient"] = optional(placed.Email)
	lineArguments(args, placed.Lines)
}

// lineArguments are one array per column, which the database takes apart into rows.
func lineArguments(args pgx.NamedArgs, lines []order.Line) {
	n := len(lines)
	numbers, quantities, totals := make([]int, n), make([]int, n), make([]int64, n)
	ids, names, prices, rates := make([]string, n), make([]string, n), make([]string, n), make([]string, n)
	for i, line := range lines {
		numbers[i], quantities[i], totals[i] = line.No, line.Quantity, line.Total.Minor
		ids[i], names[i], prices[i], rates[i] = line.ProductID, line.ProductName, line.UnitPrice, line.TaxRate
	}
	args["line_no"], args["quantity"], args["line_total_minor"] = numbers, quantities, totals
	args["product_id"], args["product_name"] = clean(ids), clean(names)
	args["unit_price"], args["tax_rate"] = prices, rates
}

// optional is null for an empty text.
func optional(text string) *string {
	if text = storable(text); text == "" {
		return nil
	}
	return &text
}

func clean(texts []string) []string {
	var all []string
	for _, text := range texts {
		all = append(all, storable(text))
	}
	return all
}

// storable drops what no text column takes, a NUL or a broken character: a name with one is no reason to hold an order
// up.
func storable(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, ""), "\x00", "")
}
