package load

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
	"orderflow/workflows"
)

// awaitFulfillment waits until there is something to ship, or the order is closed.
func (l *orderDriver) awaitFulfillment(ctx context.Context) error {
	return l.retryUntilDone(ctx, "await the fulfillment", func(ctx context.Context) (bool, error) {
		_, err := l.stores.Rows.FindFulfillment(ctx, l.id)
		return !errors.Is(err, postgres.ErrNotFound) && err == nil, err
	})
}

// shipByEvent records the shipment on the order's stream. Earlier it would be parked after a
// while.
func shipByEvent(ctx context.Context, l *orderDriver) error {
	if err := l.awaitFulfillment(ctx); err != nil {
		return err
	}
	return l.append(ctx, l.eventIDFor("ship"), order.TypeShipmentRecorded, encode(l.shipment("DHL")))
}

func approveByEvent(ctx context.Context, l *orderDriver) error {
	return l.decideByEvent(ctx, order.TypeCreditApproved, workflows.ApproveCredit{By: "op-1"})
}

func declineByEvent(ctx context.Context, l *orderDriver) error {
	return l.decideByEvent(ctx, order.TypeCreditDeclined, workflows.DeclineCredit{By: "op-2"})
}

// decideByEvent appends a decision once there is something to decide.
func (l *orderDriver) decideByEvent(ctx context.Context, eventType string, message any) error {
	if err := l.awaitHold(ctx); err != nil {
		return err
	}
	event := kurrent.NewEvent{ID: l.eventIDFor(eventType), Type: eventType, Data: encode(message)}
	return l.retryUntilDone(ctx, "append "+eventType, func(ctx context.Context) (bool, error) {
		_, err := l.stores.Events.Append(ctx, order.CreditDecisionStream(l.id), kurrent.NoStream(), event)
		return err == nil || !errors.Is(err, kurrent.ErrUnavailable), err
	})
}

func shipByHTTP(ctx context.Context, l *orderDriver) error {
	return l.sendByHTTP(ctx, "/shipments", l.shipment("DHL"), order.StatusShipped)
}

func approveByHTTP(ctx context.Context, l *orderDriver) error {
	if err := l.awaitHold(ctx); err != nil {
		return err
	}
	return l.sendByHTTP(ctx, "/credit-approval", workflows.ApproveCredit{By: "op-1"}, order.StatusFulfilling)
}

// sendByHTTP sends a message until the order has accepted it, or is closed otherwise. The
// status of an order that accepted it is want, or a final one.
func (l *orderDriver) sendByHTTP(ctx context.Context, path string, message any, want order.Status) error {
	path, body := "/orders/"+l.id+path, encode(message)
	return l.retryUntilDone(ctx, "POST "+pattern(path), func(ctx context.Context) (bool, error) {
		refused := false
		err := l.request(ctx, http.MethodPost, path, body, func(r reply) (wrong string) {
			switch r.status {
			case http.StatusOK:
				status, wrong := l.readStatus("POST "+pattern(path), r)
				if wrong == "" && status != want && !status.Final() {
					wrong = fmt.Sprintf("200 for an order that is %s", status)
				}
				return wrong
			case http.StatusAccepted:
			case http.StatusConflict:
				refused = true
			default:
				return fmt.Sprintf("a message was answered %s", r)
			}
			return ""
		})
		if err == nil && refused { // not yet, or no longer
			return l.overdue(ctx, errors.New("409"))
		}
		return err == nil, err
	})
}

// raiseOnHold raises the limit of the customer once the order is on hold, so that it goes
// on.
func raiseOnHold(ctx context.Context, l *orderDriver) error {
	if err := l.awaitHold(ctx); err != nil {
		return err
	}
	return raise(ctx, l)
}
