package main

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

// listTimeout bounds one page of the list of workflows, which the server may have to look long for.
const listTimeout = 30 * time.Second

// checkRows looks for fulfilments of orders that were not seen. Most of those were placed before --since, or erased.
func (r *reconciliation) checkRows(ctx context.Context) error {
	for after := ""; ; {
		rows, err := r.rows.FulfillmentsAfter(ctx, after, r.since, batchSize)
		if err != nil || len(rows) == 0 {
			return err
		}
		after = rows[len(rows)-1].OrderID
		if err := checkEach(ctx, r, rows, r.checkRow); err != nil {
			return err
		}
	}
}

func (r *reconciliation) checkRow(ctx context.Context, row fulfillment.Row) error {
	if r.known.has(row.OrderID) {
		return nil
	}
	placed, erased, err := r.placedEver(ctx, row.OrderID)
	switch {
	case err != nil, placed:
		return err
	case erased:
		return r.confirm(ctx, inputOf(row))
	}
	return r.stranger(ctx, row.OrderID, "a row", facts{Row: row.Status})
}

// checkReservations looks at open reservations of orders that were not seen.
func (r *reconciliation) checkReservations(ctx context.Context, all []reservation) error {
	return each(ctx, all, func(ctx context.Context, one reservation) error {
		credit, err := r.credit(ctx, one.customerID, one.orderID)
		if err != nil || credit != creditReserved {
			return err
		}
		placed, erased, err := r.placedEver(ctx, one.orderID)
		switch {
		case err != nil, placed:
			return err
		case erased:
			return r.checkErased(ctx, one)
		}
		return r.stranger(ctx, one.orderID, "a reservation", facts{Credit: credit})
	})
}

// checkErased looks at what an order whose stream is deleted has reserved. While it is on its way, or when it has shipped,
// that is right. With a row, checkRow sees to it; without one nothing is left that could tell what to repair.
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
	return r.stranger(ctx, one.orderID, "a reservation of an erased order", f)
}

// checkWorkflows looks at every workflow there is of an order: whether the order was placed, and whether an open one still
// waits, or is stuck, although its row is final.
func (r *reconciliation) checkWorkflows(ctx context.Context) error {
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
) (*workflowservice.ListWorkflowExecutionsResponse, error) {
	ctx, cancel := context.WithTimeout(ctx, listTimeout)
	defer cancel()
	return r.temporal.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: query, PageSize: batchSize, NextPageToken: page,
	})
}

func (r *reconciliation) checkListed(ctx context.Context, listed *workflowservice.ListWorkflowExecutionsResponse) error {
	var strangers []string
	var open []workflows.Input
	for _, info := range listed.GetExecutions() {
		if info.GetStatus() == enums.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW {
			continue // the run that followed is listed too
		}
		id := info.GetExecution().GetWorkflowId()
		if !r.known.has(id) {
			strangers = append(strangers, id)
			continue
		}
		if stateOf(info.GetStatus()) == workflowOpen {
			open = append(open, workflows.Input{OrderID: id})
		}
	}
	if err := each(ctx, strangers, r.checkStranger); err != nil {
		return err
	}
	return r.checkOpen(ctx, open)
}

// checkStranger confirms that a workflow's order was not placed. The list is late: the workflow must still be there.
func (r *reconciliation) checkStranger(ctx context.Context, id string) error {
	placed, erased, err := r.placedEver(ctx, id)
	if err != nil || placed || erased {
		return err // what an erased order holds, its row or its reservation tells
	}
	run, err := r.describe(ctx, id)
	if err != nil || run.state == workflowNone {
		return err
	}
	return r.stranger(ctx, id, "a workflow", facts{Workflow: run.state})
}

// checkOpen looks at those open orders whose row is final: one may wait for its shipment, or be stuck on its last steps.
func (r *reconciliation) checkOpen(ctx context.Context, open []workflows.Input) error {
	rows, err := r.rowsOf(ctx, open)
	if err != nil {
		return err
	}
	return checkEach(ctx, r, open, func(ctx context.Context, input workflows.Input) error {
		if row := rows[input.OrderID]; row.Status.Final() {
			return r.confirm(ctx, inputOf(row))
		}
		return nil
	})
}

// placedEver asks the order's stream itself.
func (r *reconciliation) placedEver(ctx context.Context, orderID string) (placed, erased bool, err error) {
	if !order.ValidID(orderID) {
		return false, false, nil
	}
	_, err = r.events.FindPlaced(ctx, orderID)
	switch {
	case err == nil:
		return true, false, nil
	case errors.Is(err, kurrent.ErrDeleted):
		return false, true, nil
	case gone(err):
		return false, false, nil
	default:
		return false, false, fmt.Errorf("look for order %s: %w", orderID, err)
	}
}

// stranger notes an order that nobody has placed, once, whatever there is of it.
func (r *reconciliation) stranger(_ context.Context, orderID, what string, f facts) error {
	if r.strangers.add(orderID) {
		f.Detail = "nobody has placed the order: there is " + what
		r.report.note(orderID, extra, f)
	}
	return nil
}
