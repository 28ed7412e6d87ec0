package main

import (
	"fmt"
	"strings"
	"time"

	"orderflow/internal/credit"
	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/kurrent"
	"orderflow/internal/order"
	"orderflow/workflows"
)

// describeOrderEvent describes an event of an order's own stream. It includes no personal
// data from the event's body. It returns false for events of other programs.
func describeOrderEvent(e kurrent.Event) (timelineEntry, bool) {
	switch {
	case order.IsPlaced(e.Type):
		placed, err := order.DecodePlaced(e.Stream, e.ContentType, e.Data)
		if err != nil {
			return timelineEntry{What: "Undecodable order", Detail: err.Error(), Tone: "warn"}, true
		}
		return timelineEntry{What: "Order placed", Detail: placed.Total.String()}, true
	case e.Type == order.TypePaid:
		paid, err := order.DecodePaid(e.Stream, e.ContentType, e.Data)
		if err != nil {
			return timelineEntry{What: "Undecodable payment", Detail: err.Error(), Tone: "warn"}, true
		}
		return timelineEntry{What: "Payment received", Detail: paid.Amount.String(), Tone: "good"}, true
	case e.Type == order.TypeCancellationRequested:
		request, err := order.DecodeCancellation(e.Stream, e.ContentType, e.Data)
		if err != nil {
			return timelineEntry{What: "Undecodable cancellation request", Detail: err.Error(), Tone: "warn"}, true
		}
		return timelineEntry{What: "Cancellation requested", Detail: request.Reason, Tone: "warn"}, true
	case e.Type == order.TypeShipmentRecorded:
		shipment, err := workflows.DecodeEvent[workflows.RecordShipment](e.Stream, e.ContentType, e.Data)
		if err != nil {
			return timelineEntry{What: "Undecodable shipment", Detail: err.Error(), Tone: "warn"}, true
		}
		return timelineEntry{What: "Shipment recorded", Detail: details(shipment.Carrier, shipment.TrackingNumber)}, true
	default:
		return timelineEntry{}, false // written by another program
	}
}

// describeCreditDecision describes a decision about one order. It returns false for
// decisions about the customer's other orders.
func describeCreditDecision(e kurrent.Event, orderID string) (timelineEntry, bool) {
	decided, err := credit.DecodeEvent(e.Type, e.Data)
	if err != nil {
		return timelineEntry{}, false
	}
	switch decided := decided.(type) {
	case credit.Reserved:
		detail := decided.Amount.String()
		if decided.ApprovedBy != "" {
			detail += ", approved by " + decided.ApprovedBy
		}
		if decided.FreedBy != "" {
			detail += ", because credit of the customer was freed"
		}
		return timelineEntry{What: "Credit reserved", Detail: detail, Tone: "good"}, decided.OrderID == orderID
	case credit.LimitExceeded:
		entry := timelineEntry{What: "Credit refused", Detail: decided.Amount.String() + " requested, " + decided.Available.String() + " available", Tone: "bad"}
		if decided.Held {
			entry.What, entry.Tone = "On hold: insufficient credit", "warn"
			if !decided.HoldUntil.IsZero() {
				entry.Detail += ", until " + decided.HoldUntil.UTC().Format(time.RFC3339)
			}
		}
		return entry, decided.OrderID == orderID
	case credit.Released:
		detail := details(decided.Amount.String(), words(decided.Reason))
		if decided.DeclinedBy != "" {
			detail += ", declined by " + decided.DeclinedBy
		}
		if decided.Overpaid.Minor > 0 {
			detail += ", " + decided.Overpaid.String() + " overpaid"
		}
		return timelineEntry{What: "Credit released", Detail: detail}, decided.OrderID == orderID
	default:
		return timelineEntry{}, false
	}
}

// describeFulfillmentEvent describes a domain event.
func describeFulfillmentEvent(e kurrent.Event) (timelineEntry, bool) {
	f, err := fulfillment.DecodeEvent(e.Data)
	if err != nil || f.Status == "" {
		return timelineEntry{}, false
	}
	entry := timelineEntry{What: "Fulfillment changed", Detail: words(string(f.Reason)), Tone: tone(f.Status)}
	switch e.Type {
	case fulfillment.TypeApproved:
		entry.What = "Fulfillment started"
	case fulfillment.TypeRejected:
		entry.What = "Order rejected"
	case fulfillment.TypeCancelled:
		entry.What = "Order canceled"
	case fulfillment.TypeParcelShipped:
		entry.What, entry.Detail = fmt.Sprintf("Parcel %d shipped", len(f.Parcels)), parcelDetails(f.Parcels)
	case fulfillment.TypeShipped:
		entry.What, entry.Detail = "Order shipped", details(f.Carrier, f.TrackingNumber)
		if len(f.Parcels) > 0 {
			entry.Detail = parcelDetails(f.Parcels)
		}
	}
	return entry, true
}

// parcelDetails describes the last of an order's parcels.
func parcelDetails(parcels []order.Parcel) string {
	if len(parcels) == 0 {
		return ""
	}
	last := parcels[len(parcels)-1]
	lines := make([]string, 0, maxShownLines+1)
	for i, line := range last.Lines {
		if i == maxShownLines {
			lines = append(lines, fmt.Sprintf("and %d more lines", len(last.Lines)-i))
			break
		}
		lines = append(lines, fmt.Sprintf("%d of line %d", line.Quantity, line.Line))
	}
	return details(append([]string{last.Carrier, last.TrackingNumber}, lines...)...)
}

// maxShownLines limits the lines of a parcel that the timeline shows.
const maxShownLines = 10

// describeEmail describes an email of the send ledger. The recipient is not even read.
func describeEmail(mail email.Delivery) timelineEntry {
	entry := timelineEntry{At: mail.Since, Where: "send ledger", What: capital(string(mail.Kind)) + " email "}
	switch mail.Status {
	case email.StatusSent:
		entry.What, entry.Tone = entry.What+"sent", "good"
	case email.StatusFailed:
		entry.What, entry.Tone = entry.What+"failed", "bad"
	case email.StatusSuppressed:
		entry.What += "withdrawn before it was sent"
	case email.StatusUnknown:
		entry.What, entry.Tone = entry.What+"may have been sent", "warn"
	default:
		entry.What += "waiting to be sent"
	}
	entry.Detail = details(mail.ErrorCode, string(mail.Progress), mail.ProgressDetail)
	if mail.Progress == email.ProgressBounced || mail.Progress == email.ProgressRejected || mail.Progress == email.ProgressComplained {
		entry.Tone = "bad"
	}
	return entry
}

func capital(word string) string {
	if word == "" {
		return ""
	}
	return strings.ToUpper(word[:1]) + word[1:]
}

func details(parts ...string) string {
	var present []string
	for _, part := range parts {
		if part != "" {
			present = append(present, part)
		}
	}
	return strings.Join(present, ", ")
}
