package fulfillment

import (
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// KnownEmails returns the status of each email according to the state of an order's
// workflow. A state without a status per email describes only the newest one. Then an
// older email of an order that has ended is unknown.
func KnownEmails(state order.State) map[email.Kind]email.Status {
	known := make(map[email.Kind]email.Status, len(state.Emails))
	for kind, status := range state.Emails {
		known[email.Kind(kind)] = email.Status(status)
	}
	if known[email.KindCancellation] != "" && known[email.KindConfirmation] == email.StatusPending {
		known[email.KindConfirmation] = email.StatusUnknown // a cancellation email is sent only after a confirmation
	}
	newest := newestEmail(state)
	if len(known) > 0 || newest == "" {
		return known
	}
	if newest == email.KindShipment || newest == email.KindCancellation {
		known[email.KindConfirmation] = email.StatusUnknown
	}
	known[newest] = email.Status(state.Email)
	return known
}

// newestEmail returns the kind of an order's newest email, or "" if it has none.
func newestEmail(state order.State) email.Kind {
	status := email.Status(state.Email)
	switch {
	case status == "", status == email.StatusNone:
		return ""
	case state.Status == order.StatusFulfilling, state.Status == order.StatusCancelled && status == email.StatusSuppressed:
		return email.KindConfirmation
	case state.Status == order.StatusShipped:
		return email.KindShipment
	case state.Status == order.StatusRejected:
		return email.KindRejection
	case state.Status == order.StatusCancelled:
		return email.KindCancellation
	default:
		return ""
	}
}

// State returns the row in the form of the status query, for an order whose workflow can
// no longer be queried.
func (r Row) State() order.State {
	return order.State{
		OrderID: r.OrderID, CustomerID: r.CustomerID, Status: r.Status, Reason: r.Reason, Code: r.Code, Total: r.Total,
		Credit: r.credit(), Email: string(r.Email.Report()), Shipment: r.Shipment, Parcels: r.Parcels,
		PlacedAt: r.PlacedAt, UpdatedAt: r.UpdatedAt, ShipBy: r.ShipBy, Late: r.Late,
	}
}

// credit returns the state of the credit of an order with this row.
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
