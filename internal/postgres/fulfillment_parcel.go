package postgres

import (
	"context"
	"fmt"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// RecordParcel adds a parcel to the order's row, which stays fulfilling, and queues the
// email about it. Repeating the call changes nothing.
//
// It returns the row with fulfillment.ErrClosed if the order is closed or has another
// parcel there, with fulfillment.ErrMismatch if the row belongs to another order, and with
// fulfillment.ErrBehind if the row lacks parcels before the new one. Without a row it
// returns ErrNotFound.
func (f *Fulfillments) RecordParcel(ctx context.Context, left fulfillment.ParcelLeft) (fulfillment.Row, error) {
	const op = "record parcel"
	if len(left.Parcels) == 0 {
		return fulfillment.Row{}, &Error{Op: op, Code: "no parcel", kind: fulfillment.ErrInvalid}
	}
	args := f.rules.arguments(left.OrderID)
	identityArguments(args, left.CustomerID, left.Total)
	parcelArguments(args, left.Parcels)
	knownArguments(args, sentOnly(left.Emails))
	args["mail_kind"] = email.ParcelKind(len(left.Parcels))
	row, err := f.write(ctx, op, args, lockOrder, settleKnown, recordParcel)
	if err != nil {
		return row, err
	}
	if err := checkParcel(row, left); err != nil {
		return row, fmt.Errorf("%s: %w", op, err)
	}
	return row, nil
}

// checkParcel returns an error if a row, as it is after the parcel was recorded, does not
// have it. A row that has more parcels was written by a later attempt.
func checkParcel(row fulfillment.Row, left fulfillment.ParcelLeft) error {
	n := len(left.Parcels)
	switch {
	case !belongsTo(row, left.CustomerID, left.Total):
		return fulfillment.ErrMismatch
	case len(row.Parcels) >= n && order.EqualParcels(row.Parcels[:n], left.Parcels):
		return nil
	case !row.Status.Final() && len(row.Parcels) < n-1:
		return fulfillment.ErrBehind
	default:
		return fulfillment.ErrClosed
	}
}
