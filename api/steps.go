package main

import (
	"encoding/json"
	"strings"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
)

// stepOfOrder words an event of an order's own stream, without anything of its body that
// is about a person.
func stepOfOrder(e kurrent.Event) (step, bool) {
	switch e.Type {
	case order.TypePlaced, order.TypePlacedAlias:
		placed, err := order.DecodePlaced(e.Stream, e.ContentType, e.Data)
		if err != nil {
			return step{What: "An order came that cannot be read", Detail: err.Error(), Tone: "warn"}, true
		}
		return step{What: "Order placed", Detail: placed.Total.String()}, true
	case order.TypePaid:
		paid, err := order.DecodePaid(e.Stream, e.ContentType, e.Data)
		if err != nil {
			return step{What: "A payment came that cannot be read", Detail: err.Error(), Tone: "warn"}, true
		}
		return step{What: "Payment received", Detail: paid.Amount.String(), Tone: "good"}, true
	case order.TypeCancellationRequested:
		request, err := order.DecodeCancellation(e.Stream, e.ContentType, e.Data)
		if err != nil {
			return step{What: "A cancellation came that cannot be read", Detail: err.Error(), Tone: "warn"}, true
		}
		return step{What: "Cancellation requested", Detail: request.Reason, Tone: "warn"}, true
	default:
		return step{}, false // somebody else's
	}
}

// stepOfCredit words a decision about one order, and passes over the customer's others.
func stepOfCredit(e kurrent.Event, orderID string) (step, bool) {
	decided, err := credit.DecodeEvent(e.Type, e.Data)
	if err != nil {
		return step{}, false
	}
	switch decided := decided.(type) {
	case credit.Reserved:
		detail := decided.Amount.String()
		if decided.ApprovedBy != "" {
			detail += ", approved by " + decided.ApprovedBy
		}
		return step{What: "Credit reserved", Detail: detail, Tone: "good"}, decided.OrderID == orderID
	case credit.LimitExceeded:
		s := step{What: "Credit refused", Detail: decided.Amount.String() + " asked, " + decided.Available.String() + " available", Tone: "bad"}
		if decided.Held {
			s.What, s.Tone = "On hold: the credit does not suffice", "warn"
		}
		return s, decided.OrderID == orderID
	case credit.Released:
		detail := details(decided.Amount.String(), words(decided.Reason))
		if decided.DeclinedBy != "" {
			detail += ", declined by " + decided.DeclinedBy
		}
		if decided.Overpaid.Minor > 0 {
			detail += ", " + decided.Overpaid.String() + " overpaid"
		}
		return step{What: "Credit released", Detail: detail}, decided.OrderID == orderID
	default:
		return step{}, false
	}
}

// stepOfFulfillment words a domain event.
func stepOfFulfillment(e kurrent.Event) (step, bool) {
	var f struct {
		Status         order.Status `json:"status"`
		Reason         string       `json:"reason"`
		Carrier        string       `json:"carrier"`
		TrackingNumber string       `json:"trackingNumber"`
	}
	if json.Unmarshal(e.Data, &f) != nil || f.Status == "" {
		return step{}, false
	}
	s := step{What: "Fulfilment changed", Detail: words(f.Reason), Tone: tone(f.Status)}
	switch e.Type {
	case "order-approved":
		s.What = "Fulfilment begun"
	case "order-rejected":
		s.What = "Order rejected"
	case "order-cancelled":
		s.What = "Order cancelled"
	case "order-shipped":
		s.What, s.Detail = "Order shipped", details(f.Carrier, f.TrackingNumber)
	}
	return s, true
}

// stepOfMail words a mail of the send ledger. Its recipient is not even read.
func stepOfMail(mail email.Delivery) step {
	s := step{At: mail.Since, Where: "send ledger", What: capital(string(mail.Kind)) + " mail "}
	switch mail.Status {
	case email.StatusSent:
		s.What, s.Tone = s.What+"sent", "good"
	case email.StatusFailed:
		s.What, s.Tone = s.What+"failed", "bad"
	case email.StatusSuppressed:
		s.What += "taken back before it was sent"
	case email.StatusUnknown:
		s.What, s.Tone = s.What+"may have been sent", "warn"
	default:
		s.What += "waits to be sent"
	}
	s.Detail = mail.ErrorCode
	return s
}

func capital(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

func details(parts ...string) string {
	var said []string
	for _, part := range parts {
		if part != "" {
			said = append(said, part)
		}
	}
	return strings.Join(said, ", ")
}
