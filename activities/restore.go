package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/activity"

	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
)

// A failover of the database may lose the last commits. The versions published before the
// failover prove them. A fulfillment whose published version is final is neither started
// again nor closed in another status, and a lost row is restored as the same versions, so
// that the published events remain its events.

// close closes a fulfillment, unless its published versions say that it is closed. A
// shipment does not need this check, unless its row was lost, or its row's last versions.
func (a *Activities) close(ctx context.Context, in CloseFulfillmentInput, closing fulfillment.Close) (fulfillment.Row, error) {
	lost := lostFulfillment{
		orderID: in.OrderID, customerID: in.CustomerID, total: in.Total, placedAt: in.PlacedAt, source: in.Source,
	}
	var err error
	if in.Status != order.StatusShipped {
		if lost.published, err = a.Published.PublishedVersions(ctx, in.OrderID); err != nil {
			return fulfillment.Row{}, err
		}
		if isFinal(lost.published) {
			return a.restore(ctx, lost, in.state())
		}
		if hasParcels(lost.published) { // the row may lack them
			if row, err := a.restore(ctx, lost, in.state()); err != nil || row.Status.Final() {
				return row, err
			}
		}
	}
	closing.Began = in.began() || len(lost.published) > 0
	row, err := a.Fulfillments.CloseFulfillment(ctx, closing)
	if !closing.Began || !isLost(err) {
		return row, err
	}
	if in.Status == order.StatusShipped {
		if lost.published, err = a.Published.PublishedVersions(ctx, in.OrderID); err != nil {
			return fulfillment.Row{}, err
		}
	}
	row, err = a.restore(ctx, lost, in.state())
	if err != nil || row.Status.Final() {
		return row, err
	}
	return a.Fulfillments.CloseFulfillment(ctx, closing)
}

func isFinal(versions []fulfillment.Version) bool {
	return len(versions) > 0 && versions[len(versions)-1].Status.Final()
}

func hasParcels(versions []fulfillment.Version) bool {
	return len(versions) > 0 && len(versions[len(versions)-1].Parcels) > 0
}

// isLost reports whether err means that the row, or its last versions, were lost.
func isLost(err error) bool {
	return errors.Is(err, fulfillment.ErrNotFound) || errors.Is(err, fulfillment.ErrBehind)
}

// lostFulfillment is an order whose row was lost, or lost its last versions.
type lostFulfillment struct {
	orderID    string
	customerID string
	total      order.Money
	placedAt   time.Time
	source     order.Source
	published  []fulfillment.Version
}

// restore writes the versions of a lost row: the published ones, then those that lead to
// state. An erased order gets its row without its body.
func (a *Activities) restore(ctx context.Context, lost lostFulfillment, state order.State) (fulfillment.Row, error) {
	restored := fulfillment.Restore{Emails: fulfillment.KnownEmails(state), Trace: lost.source.Trace, ShipBy: a.ShipBy}
	first := fulfillment.Version{
		OrderID: lost.orderID, CustomerID: lost.customerID, Status: order.StatusFulfilling, Total: lost.total,
		SourceEventID: lost.source.EventID, PlacedAt: lost.placedAt,
	}
	placed, err := a.body(ctx, lost.customerID, lost.total, lost.source)
	switch {
	case err == nil:
		first, restored.Order = fulfillment.FirstVersion(placed, lost.source.EventID), &placed
	case !errors.Is(err, order.ErrGone):
		return fulfillment.Row{}, err
	}
	restored.Versions = fulfillment.EndedAs(lost.published, first, state)
	return a.Fulfillments.RestoreFulfillment(ctx, restored)
}

// RestoreFulfillmentInput is the input of RestoreFulfillment: an order whose row was
// lost, and its state according to its workflow. The body is read from its source.
type RestoreFulfillmentInput struct {
	OrderID    string       `json:"orderId"`
	CustomerID string       `json:"customerId"`
	Total      order.Money  `json:"total"`
	PlacedAt   time.Time    `json:"placedAt"`
	Source     order.Source `json:"source"`
	State      order.State  `json:"state"` // fulfilling, or final
}

// RestoreFulfillment restores the order's row to its workflow's state: fulfilling while
// the workflow is open and waits for the shipment, or the final status when it has ended.
// A final published version takes precedence over both. It returns the resulting row. A
// row that is already final is never changed.
func (a *Activities) RestoreFulfillment(ctx context.Context, in RestoreFulfillmentInput) (Fulfillment, error) {
	published, err := a.Published.PublishedVersions(ctx, in.OrderID)
	if err != nil {
		return Fulfillment{}, classifyError(ctx, fmt.Errorf("restore fulfillment: %w", err))
	}
	lost := lostFulfillment{
		orderID: in.OrderID, customerID: in.CustomerID, total: in.Total, placedAt: in.PlacedAt, source: in.Source,
		published: published,
	}
	row, err := a.restore(ctx, lost, in.State)
	if err != nil {
		return Fulfillment{}, classifyError(ctx, fmt.Errorf("restore fulfillment: %w", err))
	}
	return stored(row), nil
}

// OrderIsOpenInput identifies an order.
type OrderIsOpenInput struct {
	OrderID string `json:"orderId"`
}

// OrderIsOpen reports whether the order has an open workflow. If so, that workflow is
// responsible for the order. OrderIsOpen describes the newest run instead of listing
// workflows, because the list lags behind.
func (a *Activities) OrderIsOpen(ctx context.Context, in OrderIsOpenInput) (bool, error) {
	description, err := activity.GetClient(ctx).DescribeWorkflow(ctx, in.OrderID, "")
	var notFound *serviceerror.NotFound
	switch {
	case errors.As(err, &notFound):
		return false, nil
	case err != nil:
		return false, classifyError(ctx, fmt.Errorf("look for the order's workflow: %w", err))
	}
	status := description.RawResponse.GetWorkflowExecutionInfo().GetStatus()
	return status == enums.WORKFLOW_EXECUTION_STATUS_RUNNING || status == enums.WORKFLOW_EXECUTION_STATUS_PAUSED, nil
}
