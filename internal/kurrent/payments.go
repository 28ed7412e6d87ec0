package kurrent

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/order"
)

// Payments returns the order of a payment's stream, by the rule of FindPlaced, and the payments on that stream up to and
// with the one that source names, in the order of the stream. A payment that its producer gave no id has its event's.
// Payments that cannot be understood were parked and are left out.
//
// It returns order.ErrGone if the order or the payment is no longer there, and an *order.InvalidError if either cannot be
// understood or the payment is not among the first 10,000 events.
func (c *Client) Payments(ctx context.Context, source order.Source) (order.Placed, []order.Paid, error) {
	placed, err := c.findPlaced(ctx, source.Stream)
	if err != nil {
		return order.Placed{}, nil, orGone(err)
	}
	payments, err := believed(func(leader bool) ([]order.Paid, error) { return c.scanPayments(ctx, source, leader) })
	if err != nil {
		return order.Placed{}, nil, orGone(fmt.Errorf("find payments: %w", err))
	}
	return placed.order, payments, nil
}

func (c *Client) scanPayments(ctx context.Context, last order.Source, leader bool) ([]order.Paid, error) {
	var payments []order.Paid
	events := 0
	request := page{stream: last.Stream, count: maxOrderEvents, leader: leader}
	err := c.read(ctx, request, func(e *kurrentdb.ResolvedEvent) error {
		events++
		event := *eventOf(e.Event)
		isLast := event.Revision == last.Revision
		if event.Revision > last.Revision || isLast && event.ID.String() != last.EventID {
			return fmt.Errorf("%s at %d: it is another event: %w", last.Stream, last.Revision, ErrNotFound)
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
		return nil, &order.InvalidError{Reason: fmt.Sprintf("more than %d events are before the payment", maxOrderEvents)}
	default:
		return nil, fmt.Errorf("%s at %d: %w", last.Stream, last.Revision, ErrNotFound)
	}
}
