package reconcile

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/workflowservice/v1"

	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// listTimeout bounds one page of the list of workflows, for which the server may search
// long.
const listTimeout = 30 * time.Second

// checkRows checks the fulfillments of orders that were not seen in the log. Most of
// those were placed before --since, or erased.
func (r *reconciliation) checkRows(ctx context.Context) error {
	if r.progress.done(partRows) {
		return nil
	}
	for after := r.progress.from.Row; ; {
		rows, err := r.rows.ListFulfillments(ctx, after, r.since, batchSize)
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].OrderID
		if err := checkEach(ctx, r, rows, r.checkRow); err != nil {
			return err
		}
		if r.progress.due() {
			if err := r.save(ctx, partRows, after); err != nil {
				return err
			}
		}
	}
}

func (r *reconciliation) checkRow(ctx context.Context, row fulfillment.Row) error {
	if r.known.has(row.OrderID) {
		return nil
	}
	placed, erased, err := r.wasPlaced(ctx, row.OrderID)
	switch {
	case err != nil, placed:
		return err
	case erased:
		return r.recheck(ctx, inputFromRow(row))
	}
	return r.reportExtra(ctx, row.OrderID, "a row", facts{Row: row.Status})
}

// checkReservations checks the open reservations of orders that were not seen in the log.
func (r *reconciliation) checkReservations(ctx context.Context, all []reservation) error {
	return each(ctx, r, all, func(ctx context.Context, one reservation) error {
		credit, err := r.credit(ctx, one.customerID, one.orderID)
		if err != nil || credit != creditReserved {
			return err
		}
		placed, erased, err := r.wasPlaced(ctx, one.orderID)
		switch {
		case err != nil, placed:
			return err
		case erased:
			return r.checkErased(ctx, one)
		}
		return r.reportExtra(ctx, one.orderID, "a reservation", facts{Credit: credit})
	})
}

// checkErased checks the reservation of an order whose stream is deleted. The reservation
// is correct while the order is open, or if it has shipped. If the order has a row,
// checkRow handles it. Without one, nothing is left that says what to repair.
func (r *reconciliation) checkErased(ctx context.Context, one reservation) error {
	run, err := r.describe(ctx, one.orderID)
	if err != nil || run.state == workflowOpen {
		return err
	}
	row, err := r.row(ctx, one.orderID)
	if err != nil || row.Status != "" {
		return err
	}
	f := facts{Workflow: run.state, Credit: creditReserved, Erased: true}
	return r.reportExtra(ctx, one.orderID, "a reservation of an erased order", f)
}

// checkWorkflows checks every order workflow: whether its order was placed, and whether
// an open one still waits, or is stuck, although its row is final.
func (r *reconciliation) checkWorkflows(ctx context.Context) error {
	if err := r.save(ctx, partWorkflows, ""); err != nil {
		return err
	}
	query := fmt.Sprintf("WorkflowType = '%s'", workflows.OrderFulfillmentType)
	if !r.since.IsZero() {
		query += fmt.Sprintf(" AND StartTime >= '%s'", r.since.UTC().Format(time.RFC3339))
	}
	for page := []byte(nil); ; {
		listed, err := r.list(ctx, query, page)
		if err != nil {
			return fmt.Errorf("list workflows: %w", err)
		}
		if err := r.checkListed(ctx, listed); err != nil {
			return err
		}
		if page = listed.GetNextPageToken(); len(page) == 0 {
			return nil
		}
	}
}

func (r *reconciliation) list(
	ctx context.Context, query string, page []byte,
) (listed *workflowservice.ListWorkflowExecutionsResponse, err error) {
	err = r.retryCall(ctx, listTimeout, func(ctx context.Context) (err error) {
		listed, err = r.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
			Query: query, PageSize: batchSize, NextPageToken: page,
		})
		return err
	})
	return listed, err
}

func (r *reconciliation) checkListed(ctx context.Context, listed *workflowservice.ListWorkflowExecutionsResponse) error {
	var unknownOrders []string
	var open []workflows.Input
	for _, info := range listed.GetExecutions() {
		if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
			continue // the run that followed is listed too
		}
		id := info.GetExecution().GetWorkflowId()
		if !r.known.has(id) {
			unknownOrders = append(unknownOrders, id)
			continue
		}
		if stateOf(info.GetStatus()) == workflowOpen {
			open = append(open, workflows.Input{OrderID: id})
		}
	}
	if err := each(ctx, r, unknownOrders, r.checkUnknownOrder); err != nil {
		return err
	}
	return r.checkOpen(ctx, open)
}

// checkUnknownOrder confirms that a workflow's order was not placed. The list is
// eventually consistent, so the workflow must also still exist.
func (r *reconciliation) checkUnknownOrder(ctx context.Context, id string) error {
	placed, erased, err := r.wasPlaced(ctx, id)
	if err != nil || placed || erased {
		return err // an erased order is judged by its row or its reservation
	}
	run, err := r.describe(ctx, id)
	if err != nil || run.state == workflowNone {
		return err
	}
	return r.reportExtra(ctx, id, "a workflow", facts{Workflow: run.state})
}

// checkOpen checks the open orders whose row is final: one may wait for its shipment, or
// be stuck on its last steps.
func (r *reconciliation) checkOpen(ctx context.Context, open []workflows.Input) error {
	rows, err := r.rowsOf(ctx, open)
	if err != nil {
		return err
	}
	return checkEach(ctx, r, open, func(ctx context.Context, input workflows.Input) error {
		if row := rows[input.OrderID]; row.Status.Final() {
			return r.recheck(ctx, inputFromRow(row))
		}
		return nil
	})
}

// wasPlaced reads the order's own stream.
func (r *reconciliation) wasPlaced(ctx context.Context, orderID string) (placed, erased bool, err error) {
	if !order.ValidID(orderID) {
		return false, false, nil
	}
	_, err = r.orders.FindPlaced(ctx, orderID)
	switch {
	case err == nil:
		return true, false, nil
	case errors.Is(err, kurrent.ErrDeleted):
		return false, true, nil
	case isGone(err):
		return false, false, nil
	default:
		return false, false, fmt.Errorf("find order %s: %w", orderID, err)
	}
}

// reportExtra reports an order that was never placed, and only once, however many traces
// of it there are.
func (r *reconciliation) reportExtra(_ context.Context, orderID, what string, f facts) error {
	if r.unknownOrders.add(orderID) {
		f.Detail = "the order was never placed, but there is " + what
		r.report.add(orderID, extra, f)
	}
	return nil
}
