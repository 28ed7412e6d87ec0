package fulfillment

import "orderflow/internal/order"

// State gives the row in the words of the status query, for an order whose workflow nobody can ask any more.
func (r Row) State() order.State {
	return order.State{
		OrderID: r.OrderID, CustomerID: r.CustomerID, Status: r.Status, Reason: r.Reason, Code: r.Code, Total: r.Total,
		Credit: r.credit(), Email: string(r.Email.Report()), Carrier: r.Carrier, TrackingNumber: r.TrackingNumber,
		PlacedAt: r.PlacedAt, UpdatedAt: r.UpdatedAt,
	}
}

// credit tells what the workflow did with the credit of an order that came to such a row.
func (r Row) credit() order.Credit {
	switch {
	case r.Status == order.StatusCancelled, r.Reason == order.ReasonCreditDeclined, r.Reason == order.ReasonHoldExpired:
		return order.CreditReleased
	case r.Status == order.StatusRejected:
		return order.CreditRefused
	default:
		return order.CreditReserved
	}
}
