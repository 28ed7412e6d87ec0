package activities

import (
	"context"
	"fmt"

	"orderflow/internal/order"
)

// FindCancellationInput is the id of an order and the revision of the event it was placed
// with.
type FindCancellationInput struct {
	OrderID string `json:"orderId"`
	Placed  uint64 `json:"placed"`
}

// RequestedCancellation reports whether an order's stream has a request to cancel. Reason
// is the producer's code.
type RequestedCancellation struct {
	Requested bool   `json:"requested"`
	Reason    string `json:"reason,omitempty"`
}

// FindCancellation looks for a request to cancel on the order's stream, after the event
// it was placed with: a request made while the workflow accepted no signals has not
// reached it any other way. A request from before that event is ignored, because it may
// have been withdrawn.
func (a *Activities) FindCancellation(ctx context.Context, in FindCancellationInput) (RequestedCancellation, error) {
	request, found, err := a.Orders.FirstCancellation(ctx, order.Stream(in.OrderID), in.Placed)
	if err != nil {
		return RequestedCancellation{}, classifyError(ctx, fmt.Errorf("look for a cancellation: %w", err))
	}
	return RequestedCancellation{Requested: found, Reason: request.Reason}, nil
}
