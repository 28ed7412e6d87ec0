package reconcile

import (
	"context"
	"fmt"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"

	"orderflow/bridge"
	"orderflow/internal/credit"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/routes"
	"orderflow/internal/temporalclient"
	"orderflow/workflows"
)

// delivery is an event about an order that the bridge has to deliver to Temporal: a
// payment, or one that carries a message.
type delivery struct {
	event   kurrent.Event
	orderID string
}

// deliveryOf returns e as a delivery, unless the bridge parks it instead, or may be about
// to deliver it.
func (r *reconciliation) deliveryOf(e kurrent.Event) (delivery, bool) {
	if e.Created.After(r.cutoff) {
		return delivery{}, false
	}
	if e.Type == order.TypePaid {
		paid, err := order.DecodePaid(e.Stream, e.ContentType, e.Data)
		return delivery{event: e, orderID: paid.OrderID}, err == nil
	}
	if e.Type == order.TypeCancellationRequested {
		cancellation, err := order.DecodeCancellation(e.Stream, e.ContentType, e.Data)
		return delivery{event: e, orderID: cancellation.OrderID}, err == nil
	}
	orderID, err := routes.MessageOrder(bridge.Event(e))
	return delivery{event: e, orderID: orderID}, err == nil
}

// dropSettled drops the payments of an order whose credit was released since, for they
// took effect.
func dropSettled(all []delivery, e kurrent.Event) []delivery {
	event, err := credit.DecodeEvent(e.Type, e.Data)
	released, ok := event.(credit.Released)
	if err != nil || !ok {
		return all
	}
	left := all[:0]
	for _, d := range all {
		if d.event.Type != order.TypePaid || d.orderID != released.OrderID {
			left = append(left, d)
		}
	}
	return left
}

// checkDeliveries reports the events of a batch that never reached Temporal.
func (r *reconciliation) checkDeliveries(ctx context.Context, batch []delivery) error {
	inputs := make([]workflows.Input, len(batch))
	for i, d := range batch {
		inputs[i] = workflows.Input{OrderID: d.orderID}
	}
	rows, err := r.rowsOf(ctx, inputs)
	if err != nil {
		return err
	}
	return checkEach(ctx, r, batch, func(ctx context.Context, d delivery) error {
		if d.event.Type != order.TypePaid && rows[d.orderID].Status.Final() {
			return nil // it came too late, or took effect
		}
		f, waits, err := r.undelivered(ctx, d)
		if err != nil || !waits {
			return err
		}
		f.Row = rows[d.orderID].Status
		f.Detail = fmt.Sprintf("event %d (%s) never reached its workflow", d.event.Revision, d.event.Type)
		noted := r.report.add(d.orderID, undelivered, f)
		noted.Revision = &d.event.Revision
		return r.deliver(ctx, noted, d)
	})
}

// undelivered reports whether an event should have reached Temporal and has not. A
// cancellation matters only to an open order, and any other message only to one that
// waits for it. A payment matters while the credit is not
// released, if it covers the order together with those before it, or cannot count.
func (r *reconciliation) undelivered(ctx context.Context, d delivery) (f facts, waits bool, err error) {
	switch d.event.Type {
	case order.TypePaid:
		return r.unsettled(ctx, d)
	case order.TypeShipmentRecorded:
		return r.unaccepted(ctx, d, order.StatusFulfilling)
	case order.TypeCreditApproved, order.TypeCreditDeclined:
		return r.unaccepted(ctx, d, order.StatusOnHold)
	}
	run, err := r.describe(ctx, d.orderID)
	f = facts{Workflow: run.state}
	if err != nil || run.state != workflowOpen || run.status == order.StatusCancelling {
		return f, false, err
	}
	told, err := r.cancelRequested(ctx, d.orderID, run.id)
	if err != nil || told {
		return f, false, err
	}
	ahead, err := r.precedesOrder(ctx, d)
	return f, !ahead, err
}

// precedesOrder reports whether a cancellation precedes its order on the stream. Such a
// cancellation may have been parked because the order had not been placed, and then
// dropped by an operator.
func (r *reconciliation) precedesOrder(ctx context.Context, d delivery) (bool, error) {
	placed, err := r.orders.FindPlaced(ctx, d.orderID)
	if isGone(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find the order of a cancellation: %w", err)
	}
	return d.event.Revision < placed.Revision, nil
}

func (r *reconciliation) unsettled(ctx context.Context, d delivery) (f facts, waits bool, err error) {
	settlement, err := r.describe(ctx, workflows.SettlementID(d.orderID, d.event.Revision))
	f = facts{Workflow: settlement.state}
	again := r.compareCredit && settlement.state == workflowCompleted // its effect may be lost
	if err != nil || settlement.state != workflowNone && !again {
		return f, false, err
	}
	placed, payments, err := r.orders.Payments(ctx, routes.SourceOf(bridge.Event(d.event)))
	if isGone(err) {
		return f, false, nil
	}
	if err != nil {
		return f, false, fmt.Errorf("find the order of a payment: %w", err)
	}
	if balance, refused := order.AddPayments(placed.Total, payments); refused == nil && !balance.Covered() {
		return f, false, nil // it would settle nothing, and a later payment includes it
	}
	f.Credit, err = r.credit(ctx, placed.CustomerID, d.orderID)
	return f, f.Credit != creditReleased, err
}

// cancelRequested reports whether a run, or one that it continues, was asked to cancel, by
// signal, update or natively, whatever the outcome.
func (r *reconciliation) cancelRequested(ctx context.Context, orderID, runID string) (bool, error) {
	return r.findInRuns(ctx, orderID, runID, isCancellation)
}

// findInHistory reports whether a run's history has such an event. It reads the history, for
// the order may have no worker to answer a query.
func (r *reconciliation) findInHistory(
	ctx context.Context, orderID, runID string, is func(*history.HistoryEvent) bool,
) (found bool, err error) {
	err = r.retryCall(ctx, listTimeout, func(ctx context.Context) error {
		events := r.temporal.GetWorkflowHistory(ctx, orderID, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for !found && events.HasNext() {
			event, err := events.Next()
			if err != nil {
				return err
			}
			found = is(event)
		}
		return nil
	})
	if err != nil && !temporalclient.IsNotFound(err) {
		return false, fmt.Errorf("read the history of %s: %w", orderID, err)
	}
	return found, nil
}

func isCancellation(event *history.HistoryEvent) bool {
	return event.GetEventType() == enums.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED ||
		event.GetWorkflowExecutionSignaledEventAttributes().GetSignalName() == workflows.CancelOrderMessage ||
		event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput().GetName() == workflows.CancelOrderMessage
}

func (r *reconciliation) routerOf(d delivery) *bridge.Router {
	if _, decision := order.OrderDecided(d.event.Stream); decision {
		return r.decider
	}
	return r.router
}

// deliver delivers the event as the bridge would, if --fix is set. A message that its order
// refuses is settled by that, as one that the bridge has parked: no repetition can deliver it.
func (r *reconciliation) deliver(ctx context.Context, noted *difference, d delivery) error {
	if !r.fix {
		return nil
	}
	if err := r.apply(ctx, noted.facts.Workflow, d); err != nil {
		if refuses(d.event, err) {
			r.report.markFixed(noted)
		}
		return r.reportRefusal(noted, fmt.Errorf("deliver event %d of %s: %w", d.event.Revision, d.event.Stream, err))
	}
	r.awaitRemedy(noted, func(ctx context.Context) (bool, error) {
		_, waits, err := r.undelivered(ctx, d)
		return !waits, err
	})
	return nil
}

// apply applies the event as the bridge would. A settlement that has completed is started
// once more, where the bridge would leave it alone.
func (r *reconciliation) apply(ctx context.Context, settlement workflowState, d delivery) error {
	if d.event.Type == order.TypePaid && settlement == workflowCompleted {
		return r.settleAgain(ctx, d)
	}
	return r.retryCall(ctx, callTimeout, func(ctx context.Context) error {
		_, err := r.routerOf(d).Apply(ctx, bridge.Event(d.event))
		return err
	})
}

// settleAgain settles a payment once more, because KurrentDB lost the release of the
// credit.
func (r *reconciliation) settleAgain(ctx context.Context, d delivery) error {
	paid, err := order.DecodePaid(d.event.Stream, d.event.ContentType, d.event.Data)
	if err != nil {
		return err
	}
	in := workflows.SettlementInput{OrderID: paid.OrderID, Amount: paid.Amount, Source: routes.SourceOf(bridge.Event(d.event))}
	return r.execute(ctx, client.StartWorkflowOptions{
		ID:                       workflows.SettlementID(paid.OrderID, d.event.Revision),
		TaskQueue:                workflows.TaskQueue,
		WorkflowIDReusePolicy:    enums.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
		WorkflowIDConflictPolicy: enums.WORKFLOW_ID_CONFLICT_POLICY_USE_EXISTING,
	}, workflows.OrderSettlementType, in)
}
