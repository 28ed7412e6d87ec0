package streams

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// Payments returns the order of a payment's stream, found as by FindPlaced, and the
// payments on that stream up to and including the one that source names, in stream order.
// A payment without an id from its producer has its event's id. Payments that cannot be
// decoded were parked and are left out.
//
// It returns order.ErrGone if the order or the payment no longer exists. It returns an
// *order.InvalidError if either cannot be decoded or the payment is not among the first
// 10,000 events.
func (o Orders) Payments(ctx context.Context, source order.Source) (order.Placed, []order.Paid, error) {
	placed, err := o.findPlaced(ctx, source.Stream)
	if err != nil {
		return order.Placed{}, nil, mapGone(err)
	}
	payments, err := confirmedOnLeader(o.Client, func(on reader) ([]order.Paid, error) { return scanPayments(ctx, on, source) })
	if err != nil {
		return order.Placed{}, nil, mapGone(fmt.Errorf("find payments: %w", err))
	}
	return placed.order, payments, nil
}

func scanPayments(ctx context.Context, on reader, last order.Source) ([]order.Paid, error) {
	var payments []order.Paid
	events := 0
	err := on.ReadStream(ctx, last.Stream, 0, maxOrderEvents, func(event kurrent.Event) error {
		events++
		isLast := event.Revision == last.Revision
		if event.Revision > last.Revision || isLast && event.ID.String() != last.EventID {
			return fmt.Errorf("%s at %d: it is another event: %w", last.Stream, last.Revision, kurrent.ErrNotFound)
		}
		if event.Type == order.TypePaid {
			paid, invalid := order.DecodePaid(event.Stream, event.ContentType, event.Data)
			switch {
			case invalid == nil:
				paid.PaymentID = cmp.Or(paid.PaymentID, event.ID.String())
				payments = append(payments, paid)
			case isLast:
				return invalid
			}
		}
		if isLast {
			return errFound
		}
		return nil
	})
	switch {
	case errors.Is(err, errFound):
		return payments, nil
	case err != nil:
		return nil, err
	case events == maxOrderEvents:
		return nil, &order.InvalidError{Reason: fmt.Sprintf("more than %d events precede the payment", maxOrderEvents)}
	default:
		return nil, fmt.Errorf("%s at %d: %w", last.Stream, last.Revision, kurrent.ErrNotFound)
	}
}
