package activities

import (
	"context"
	"fmt"
)

// FindCancellationInput names an order, which is its stream.
type FindCancellationInput struct {
	OrderID string `json:"orderId"`
}

// RequestedCancellation is a request to cancel that stands on an order's stream. Reason is the producer's code.
type RequestedCancellation struct {
	Requested bool   `json:"requested"`
	Reason    string `json:"reason,omitempty"`
}

// FindCancellation looks for a request to cancel on the order's stream: one that came while the workflow took no more
// signals has reached nothing else.
func (a *Activities) FindCancellation(ctx context.Context, in FindCancellationInput) (RequestedCancellation, error) {
	request, found, err := a.Orders.FirstCancellation(ctx, in.OrderID)
	if err != nil {
		return RequestedCancellation{}, failure(ctx, fmt.Errorf("look for a cancellation: %w", err))
	}
	return RequestedCancellation{Requested: found, Reason: request.Reason}, nil
}
