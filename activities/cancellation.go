package activities

import (
	"context"
	"fmt"
)

// FindCancellationInput names an order, which is its stream, and the revision of the event it was placed with.
type FindCancellationInput struct {
	OrderID string `json:"orderId"`
	Placed  uint64 `json:"placed"`
}

// RequestedCancellation is a request to cancel that stands on an order's stream. Reason is the producer's code.
type RequestedCancellation struct {
	Requested bool   `json:"requested"`
	Reason    string `json:"reason,omitempty"`
}

// FindCancellation looks for a request to cancel on the order's stream, behind the event it was placed with: one that came
// while the workflow took no more signals has reached nothing else. One from before the order may have been given up.
func (a *Activities) FindCancellation(ctx context.Context, in FindCancellationInput) (RequestedCancellation, error) {
	request, found, err := a.Orders.FirstCancellation(ctx, in.OrderID, in.Placed)
	if err != nil {
		return RequestedCancellation{}, failure(ctx, fmt.Errorf("look for a cancellation: %w", err))
	}
	return RequestedCancellation{Requested: found, Reason: request.Reason}, nil
}
