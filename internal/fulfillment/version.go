package fulfillment

import (
	"time"

	"orderflow/internal/email"
	"orderflow/internal/order"
)

// Version is the content of an order's row at one revision, as the history keeps it and the event on the order's
// fulfillment stream says it. Two versions of the same content make the same event.
type Version struct {
	OrderID        string
	CustomerID     string
	Status         order.Status
	Reason         order.Reason
	Code           string
	Total          order.Money
	ShippingMethod string
	Carrier        string
	TrackingNumber string
	SourceEventID  string
	PlacedAt       time.Time
}

// Restore is what is known about a fulfillment whose row was lost, or lost its last versions, in a failover of the
// database that lost commits.
type Restore struct {
	Versions []Version     // from revision 0 on, at least one
	Order    *order.Placed // the body: recipient, lines and email address; nil when it is gone

	// Emails is what became of each email, as the order's workflow has it. One it does not name is not known.
	Emails map[email.Kind]email.Status
}

// FirstVersion returns the version that a fulfillment begins with: approved, and not yet shipped.
func FirstVersion(placed order.Placed, sourceEventID string) Version {
	return Version{
		OrderID: placed.OrderID, CustomerID: placed.CustomerID, Status: order.StatusFulfilling, Total: placed.Total,
		ShippingMethod: placed.ShippingMethod, SourceEventID: sourceEventID, PlacedAt: placed.PlacedAt,
	}
}

// EndedAs returns the versions that lead to an order's end: versions, if the last one of them is final, otherwise with
// one more that is closed as end says. Without any version the row began in that end, unless the order was shipped.
// first is the version that the fulfillment began with, if it did.
func EndedAs(versions []Version, first Version, end order.State) []Version {
	switch {
	case len(versions) > 0 && versions[len(versions)-1].Status.Final():
		return versions
	case len(versions) == 0 && began(end):
		versions = []Version{first}
	}
	if !end.Status.Final() {
		return versions
	}
	last := first
	if len(versions) > 0 {
		last = versions[len(versions)-1]
	}
	last.Status, last.Reason, last.Code = end.Status, end.Reason, end.Code
	last.Carrier, last.TrackingNumber = end.Carrier, end.TrackingNumber
	return append(versions[:len(versions):len(versions)], last)
}

// began reports whether the fulfillment of an order began that came to such a state. A canceled one got no row before its
// end unless an email was due.
func began(end order.State) bool {
	switch end.Status {
	case order.StatusFulfilling, order.StatusShipped:
		return true
	case order.StatusCancelled:
		return len(KnownEmails(end)) > 0
	default:
		return false
	}
}
