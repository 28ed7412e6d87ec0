package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"orderflow/internal/email"
	"orderflow/internal/failpoint"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// RecordParcelInput is the input of RecordParcel.
type RecordParcelInput struct {
	OrderID    string            `json:"orderId"`
	CustomerID string            `json:"customerId"`
	Total      order.Money       `json:"total"`
	PlacedAt   time.Time         `json:"placedAt"`
	Source     order.Source      `json:"source"`
	Parcels    []order.Parcel    `json:"parcels"`          // all so far, the new one last
	Email      email.Status      `json:"email,omitempty"`  // of the newest email
	Emails     map[string]string `json:"emails,omitempty"` // the status of each, from the order's state
}

// state returns the order's state according to its workflow, before the new parcel.
func (in RecordParcelInput) state() order.State {
	before := in.Parcels[:max(0, len(in.Parcels)-1)]
	return order.State{Status: order.StatusFulfilling, Email: string(in.Email), Emails: in.Emails, Parcels: before}
}

// RecordParcel records that one more parcel of the order has left, and writes the email
// that is due for it. The order stays fulfilling: others follow. A row that was lost, or
// lost its last versions, gets them again first. If the fulfillment is already final,
// RecordParcel returns it unchanged.
func (a *Activities) RecordParcel(ctx context.Context, in RecordParcelInput) (Fulfillment, error) {
	failpoint.Hit("worker.record-parcel.before")
	row, err := a.recordParcel(ctx, in)
	if err != nil && !errors.Is(err, fulfillment.ErrClosed) {
		return Fulfillment{}, classifyError(ctx, fmt.Errorf("record parcel: %w", err))
	}
	failpoint.Hit("worker.record-parcel.after")
	return stored(row), nil
}

func (a *Activities) recordParcel(ctx context.Context, in RecordParcelInput) (fulfillment.Row, error) {
	left := fulfillment.ParcelLeft{
		OrderID: in.OrderID, CustomerID: in.CustomerID, Total: in.Total, Parcels: in.Parcels,
		Emails: fulfillment.KnownEmails(in.state()),
	}
	row, err := a.Fulfillments.RecordParcel(ctx, left)
	if !isLost(err) {
		return row, err
	}
	lost := lostFulfillment{
		orderID: in.OrderID, customerID: in.CustomerID, total: in.Total, placedAt: in.PlacedAt, source: in.Source,
	}
	if lost.published, err = a.Published.PublishedVersions(ctx, in.OrderID); err != nil {
		return fulfillment.Row{}, err
	}
	if row, err = a.restore(ctx, lost, in.state()); err != nil || row.Status.Final() {
		return row, err
	}
	return a.Fulfillments.RecordParcel(ctx, left)
}
