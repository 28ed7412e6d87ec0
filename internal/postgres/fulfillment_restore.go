package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// RestoreFulfillment brings an order's row to the versions that it had, one by one, so that each is the same version as
// before: the history, and with it what is published, continues where it was. A row that is at the last version, or that
// came to another one, stays as it is. It returns what is stored, with fulfillment.ErrMismatch when that is another
// order's.
//
// The ledger of the order's emails is lost with the row. An email of which the order's workflow says that it was sent
// counts as sent, on its word. Of all others nobody can know: they are unknown, and the newest one is sent once more
// where that is the policy. Emails that the ledger still has stay as they are.
func (s *Store) RestoreFulfillment(ctx context.Context, restore fulfillment.Restore) (fulfillment.Row, error) {
	const op = "restore fulfillment"
	if len(restore.Versions) == 0 {
		return fulfillment.Row{}, &Error{Op: op, Code: "no versions", kind: fulfillment.ErrInvalid}
	}
	first := restore.Versions[0]
	var row fulfillment.Row
	err := s.transact(ctx, op, func(batch *pgx.Batch) {
		row = fulfillment.Row{}
		for revision := range restore.Versions {
			args := s.restoring(restore, revision)
			if revision == 0 {
				batch.Queue(restoreFirst, args)
				batch.Queue(lockOrder, args)
			} else {
				batch.Queue(restoreNext, args)
			}
		}
		batch.Queue(selectFulfillment(), s.arguments(first.OrderID)).QueryRow(func(r pgx.Row) error { return scanRow(r, &row) })
	})
	if err == nil && !sameAs(row, first.CustomerID, first.Total) {
		err = fmt.Errorf("%s: %w", op, fulfillment.ErrMismatch)
	}
	return row, err
}

// restoring are the arguments of one version.
func (s *Store) restoring(restore fulfillment.Restore, revision int) pgx.NamedArgs {
	v := restore.Versions[revision]
	args := s.arguments(v.OrderID)
	identityArguments(args, v.CustomerID, v.Total)
	bodyArguments(args, restore.Order)
	args["revision"], args["status"] = revision, v.Status
	args["reason"], args["code"] = optional(string(v.Reason)), optional(v.Code)
	args["shipping_method"] = optional(v.ShippingMethod)
	args["carrier"], args["tracking_number"] = optional(v.Carrier), optional(v.TrackingNumber)
	args["source_event_id"], args["placed_at"] = v.SourceEventID, v.PlacedAt
	kind, status := emailOf(restore, revision)
	args["mail_kind"], args["mail_status"] = kind, status
	args["unknown_attempts"] = unknownAttempts(status, revision == len(restore.Versions)-1)
	return args
}

// emailOf returns the email that came with a version, and what is known about it. There is none where the kind is empty.
func emailOf(restore fulfillment.Restore, revision int) (kind email.Kind, status email.Status) {
	began := revision > 0 || restore.Versions[0].Status == order.StatusFulfilling
	switch restore.Versions[revision].Status {
	case order.StatusFulfilling:
		if revision == 0 {
			kind = email.KindConfirmation
		}
	case order.StatusShipped:
		kind = email.KindShipment
	case order.StatusRejected:
		kind = email.KindRejection
	case order.StatusCancelled:
		if began && restore.Email != email.StatusSuppressed { // the customer was told that it goes through
			kind = email.KindCancellation
		}
	}
	if revision < len(restore.Versions)-1 {
		return kind, email.StatusUnknown
	}
	switch restore.Email {
	case email.StatusSent, email.StatusFailed, email.StatusSuppressed:
		return kind, restore.Email
	default:
		return kind, email.StatusUnknown
	}
}

// unknownAttempts is 2 for an older email, of which no further one is sent whatever the policy says.
func unknownAttempts(status email.Status, newest bool) int {
	switch {
	case status != email.StatusUnknown:
		return 0
	case newest:
		return 1
	default:
		return 2
	}
}

// restoredEmail writes an email of a lost ledger. A cause for it is a row of the CTE restored.
const restoredEmail = `
INSERT INTO email_delivery (order_id, kind, status, recipient, unknown_attempts, unknown_at, resolution, resolved_at)
SELECT order_id, @mail_kind, @mail_status, coalesce(@mail_recipient::text,
        (SELECT recipient FROM email_delivery c WHERE c.order_id = restored.order_id AND c.kind = 'confirmation')),
    @unknown_attempts, CASE WHEN @unknown_attempts::integer > 0 THEN clock_timestamp() END,
    CASE WHEN @mail_status::text = 'sent' THEN 'sent' END, CASE WHEN @mail_status::text = 'sent' THEN clock_timestamp() END
FROM restored WHERE @mail_kind::text <> ''
ON CONFLICT (order_id, kind) DO NOTHING`

// restoreFirst writes a row that is missing, its lines and its first email.
const restoreFirst = `
WITH restored AS (
    INSERT INTO order_fulfillment (order_id, customer_id, status, reason, code, total_minor, currency, shipping_method,
        recipient_title, recipient_name, recipient_phone, address_country, address_lines, source_event_id, placed_at)
    VALUES (@order_id, @customer_id, @status, @reason, @code, @total_minor, @currency, @shipping_method,
        @recipient_title, @recipient_name, @recipient_phone, @address_country, @address_lines, @source_event_id, @placed_at)
    ON CONFLICT (order_id) DO NOTHING
    RETURNING order_id
), lines AS (` + insertLines + `
    FROM restored, ` + orderLines + `
    ON CONFLICT (order_id, line_no) DO NOTHING
)` + restoredEmail

// restoreNext brings a row to its next version.
const restoreNext = `
WITH restored AS (
    UPDATE order_fulfillment SET status = @status, reason = @reason, code = @code, shipping_method = @shipping_method,
        carrier = @carrier, tracking_number = @tracking_number, source_event_id = @source_event_id, placed_at = @placed_at
    WHERE order_id = @order_id AND revision = @revision - 1 AND status = 'fulfilling' AND ` + sameOrder + `
    RETURNING order_id
)` + restoredEmail
