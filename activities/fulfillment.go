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

// StartFulfillmentInput identifies the order to fulfill. The body is read from its
// source.
type StartFulfillmentInput struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	Total      order.Money  `json:"total"`
	Source     order.Source `json:"source"`
}

// Fulfillment is the part of the stored row that the workflow may see: no name, no
// address.
type Fulfillment struct {
	Status          order.Status `json:"status"`
	Reason          order.Reason `json:"reason,omitempty"`
	Code            string       `json:"code,omitempty"`
	*order.Shipment              // of a shipped order, otherwise nil

	Parcels    []order.Parcel `json:"parcels,omitempty"`    // so far, if the order ships in several
	Quantities []int          `json:"quantities,omitempty"` // of the order's lines, while it is fulfilling
	ShipBy     time.Time      `json:"shipBy,omitzero"`      // when the order should have shipped; zero for never

	Email    email.Status `json:"email,omitempty"`   // of the newest email
	EmailDue email.Kind   `json:"mailDue,omitempty"` // the newest email's kind, while it waits to be sent
	AlsoDue  []email.Kind `json:"alsoDue,omitempty"` // older emails that wait to be sent
}

// StartFulfillment reads the order's body and writes the fulfillment with its
// confirmation email, or returns the stored row: an order that was closed before stays
// closed. If the fulfillment was published before, the row is restored to the published
// state. If the body is gone, or differs from the order the workflow was started with,
// StartFulfillment fails permanently.
func (a *Activities) StartFulfillment(ctx context.Context, in StartFulfillmentInput) (Fulfillment, error) {
	placed, err := a.body(ctx, in.CustomerID, in.Total, in.Source)
	if err != nil {
		return Fulfillment{}, classifyError(ctx, fmt.Errorf("start fulfillment: %w", err))
	}
	failpoint.Hit("worker.start-fulfillment.before")
	row, err := a.start(ctx, placed, in.Source)
	if err != nil {
		return Fulfillment{}, classifyError(ctx, fmt.Errorf("start fulfillment: %w", err))
	}
	failpoint.Hit("worker.start-fulfillment.after")
	return stored(row), nil
}

func (a *Activities) start(ctx context.Context, placed order.Placed, source order.Source) (fulfillment.Row, error) {
	published, err := a.Published.PublishedVersions(ctx, placed.OrderID)
	switch {
	case err != nil:
		return fulfillment.Row{}, err
	case len(published) > 0:
		return a.Fulfillments.RestoreFulfillment(ctx, fulfillment.Restore{
			Versions: published, Order: &placed, Trace: source.Trace, ShipBy: a.ShipBy,
		})
	}
	return a.Fulfillments.StartFulfillment(ctx, fulfillment.Start{Order: placed, Source: source, ShipBy: a.ShipBy})
}

// body reads an order's body and compares it with the workflow's input.
func (a *Activities) body(ctx context.Context, customerID string, total order.Money, source order.Source) (order.Placed, error) {
	placed, err := a.Orders.Body(ctx, source)
	if err != nil {
		return order.Placed{}, fmt.Errorf("read the order: %w", err)
	}
	if placed.CustomerID != customerID || placed.Total != total {
		return order.Placed{}, fulfillment.ErrMismatch
	}
	return placed, nil
}

// CloseFulfillmentInput is the input of CloseFulfillment.
type CloseFulfillmentInput struct {
	OrderID         string       `json:"orderId"`
	CustomerID      string       `json:"customerId"`
	Total           order.Money  `json:"total"`
	PlacedAt        time.Time    `json:"placedAt"`
	Source          order.Source `json:"source"`
	Status          order.Status `json:"status"`
	Reason          order.Reason `json:"reason,omitempty"`
	Code            string       `json:"code,omitempty"`
	*order.Shipment              // of an order to be closed as shipped, otherwise nil
	Email           email.Status `json:"email,omitempty"` // of the newest email; none until the fulfillment began

	Parcels []order.Parcel    `json:"parcels,omitempty"` // all of them, of an order that shipped in several
	Emails  map[string]string `json:"emails,omitempty"`  // the status of each, from the order's state
}

// began reports whether the order is known to have had a row.
func (in CloseFulfillmentInput) began() bool {
	return in.Status == order.StatusShipped || len(fulfillment.KnownEmails(in.state())) > 0
}

// state returns the order's state according to its workflow, before its row is closed.
func (in CloseFulfillmentInput) state() order.State {
	before := in.Parcels[:max(0, len(in.Parcels)-1)]
	return order.State{Status: order.StatusFulfilling, Email: string(in.Email), Emails: in.Emails, Parcels: before}
}

// CloseFulfillment closes the order's fulfillment in a final status and writes the email
// that is due for it. An order without a fulfillment gets a final row, so that nothing
// can start it later. An order whose row was lost gets that row again first, as the same
// version. If the fulfillment is already final, in its row or in its published versions,
// CloseFulfillment returns it unchanged; so it does if a parcel of an order to be canceled
// has left, or if the row has parcels that the workflow of an order to be shipped does not
// know.
func (a *Activities) CloseFulfillment(ctx context.Context, in CloseFulfillmentInput) (Fulfillment, error) {
	closing := fulfillment.Close{
		OrderID: in.OrderID, CustomerID: in.CustomerID, Total: in.Total, PlacedAt: in.PlacedAt, Source: in.Source,
		Status: in.Status, Reason: in.Reason, Code: in.Code, Emails: fulfillment.KnownEmails(in.state()),
	}
	if in.Shipment != nil {
		closing.Shipment, closing.Parcels = *in.Shipment, in.Parcels
	}
	if in.Status == order.StatusRejected {
		// Nothing was written about a rejected order before, so its email address has to
		// come from the body.
		placed, err := a.body(ctx, in.CustomerID, in.Total, in.Source)
		if err != nil {
			return Fulfillment{}, classifyError(ctx, fmt.Errorf("close fulfillment: %w", err))
		}
		closing.Order = &placed
	}
	failpoint.Hit("worker.close-fulfillment.before")
	row, err := a.close(ctx, in, closing)
	if err != nil && !errors.Is(err, fulfillment.ErrClosed) && !errors.Is(err, fulfillment.ErrParcelLeft) {
		return Fulfillment{}, classifyError(ctx, fmt.Errorf("close fulfillment: %w", err))
	}
	failpoint.Hit("worker.close-fulfillment.after")
	return stored(row), nil
}

func stored(row fulfillment.Row) Fulfillment {
	seen := Fulfillment{
		Status: row.Status, Reason: row.Reason, Code: row.Code, Parcels: row.Parcels, Quantities: row.Quantities, ShipBy: row.ShipBy,
		Email: row.Email.Report(), EmailDue: row.EmailDue, AlsoDue: row.AlsoDue,
	}
	if row.Status == order.StatusShipped {
		seen.Shipment = &row.Shipment
	}
	return seen
}
