package postgres

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// RestoreFulfillment brings an order's row to the versions that it had, one by one, so
// that each is the same version as before: the history, and with it what is published,
// continues where it was. A row that is at the last version already, or that has another
// version there, stays unchanged. It returns the stored row, with fulfillment.ErrMismatch
// if that row belongs to another order.
//
// The ledger of the order's emails was lost with the row, or lost its last outcomes. The
// ledger receives what the order's workflow knows about an email, so that no email is
// sent again that the workflow knows was sent. If neither the workflow nor the ledger
// knows about an email, its outcome is unknown, and the newest such email is sent once
// more if that is the policy. Whether an email about a cancellation is due follows from
// the confirmation, as it does in CloseFulfillment.
func (f *Fulfillments) RestoreFulfillment(ctx context.Context, restore fulfillment.Restore) (fulfillment.Row, error) {
	const op = "restore fulfillment"
	if len(restore.Versions) == 0 {
		return fulfillment.Row{}, &Error{Op: op, Code: "no versions", kind: fulfillment.ErrInvalid}
	}
	first := restore.Versions[0]
	var row fulfillment.Row
	err := f.pool.transact(ctx, op, func(batch *pgx.Batch) {
		row = fulfillment.Row{}
		for revision := range restore.Versions {
			args := f.versionArguments(restore, revision)
			switch {
			case revision == 0:
				batch.Queue(restoreFirst, args)
				batch.Queue(lockOrder, args)
			case restore.Versions[revision].Status == order.StatusCancelled:
				batch.Queue(restoreCancellation, args)
			default:
				batch.Queue(restoreNext, args)
			}
			batch.Queue(settleKnown, args)
		}
		batch.Queue(selectFulfillment, f.rules.arguments(first.OrderID)).QueryRow(func(r pgx.Row) error { return scanRow(r, &row) })
	})
	if err == nil && !belongsTo(row, first.CustomerID, first.Total) {
		err = fmt.Errorf("%s: %w", op, fulfillment.ErrMismatch)
	}
	return row, err
}

// versionArguments returns the arguments of one version.
func (f *Fulfillments) versionArguments(restore fulfillment.Restore, revision int) pgx.NamedArgs {
	v := restore.Versions[revision]
	args := f.rules.arguments(v.OrderID)
	identityArguments(args, v.CustomerID, v.Total)
	bodyArguments(args, restore.Order)
	args["revision"], args["status"] = revision, v.Status
	args["reason"], args["code"] = optional(string(v.Reason)), optional(v.Code)
	args["shipping_method"] = optional(v.ShippingMethod)
	args["carrier"], args["tracking_number"] = optional(v.Carrier), optional(v.TrackingNumber)
	parcelArguments(args, v.Parcels)
	args["ship_by"] = optionalDuration(restore.ShipBy)
	sourceArguments(args, order.Source{EventID: v.SourceEventID, Trace: restore.Trace}, v.PlacedAt)
	kind := emailOf(v, revision)
	status := restoredStatus(restore.Emails, kind)
	args["mail_kind"], args["mail_status"] = kind, status
	args["unknown_attempts"] = unknownAttempts(status, revision == len(restore.Versions)-1)
	knownArguments(args, restore.Emails)
	return args
}

// emailOf returns the kind of the email that belongs to a version. It is empty for an
// order that was canceled before its fulfillment began.
func emailOf(v fulfillment.Version, revision int) email.Kind {
	switch {
	case v.Status == order.StatusShipped, len(v.Parcels) > 0:
		return email.ParcelKind(len(v.Parcels))
	case v.Status == order.StatusRejected:
		return email.KindRejection
	case v.Status == order.StatusCancelled && revision > 0:
		return email.KindCancellation
	case v.Status == order.StatusFulfilling && revision == 0:
		return email.KindConfirmation
	default:
		return ""
	}
}

// restoredStatus returns the status with which an email enters a ledger that lacks it. A
// workflow that withdrew its confirmation had no cancellation to announce. If the
// confirmation was sent all the same, the email about the cancellation is due for the
// first time.
func restoredStatus(known map[email.Kind]email.Status, kind email.Kind) email.Status {
	switch known[kind] {
	case email.StatusSent, email.StatusFailed, email.StatusSuppressed:
		return known[kind]
	case "":
		if kind == email.KindCancellation && known[email.KindConfirmation] == email.StatusSuppressed {
			return email.StatusPending
		}
	}
	return email.StatusUnknown
}

// unknownAttempts returns 2 for an older email, of which no further one is sent whatever
// the policy is.
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
