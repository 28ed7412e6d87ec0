package fulfillment

import (
	"time"

	"orderflow/internal/correlation"
	"orderflow/internal/email"
	"orderflow/internal/order"
)

// StreamPrefix begins the name of every stream that fulfillments are published to.
const StreamPrefix = "fulfillment-"

// Stream returns the name of the stream that an order's fulfillment is published to:
// fulfillment-<order id>.
func Stream(orderID string) string { return StreamPrefix + orderID }

// Version is the content of an order's row at one revision, as stored in the history and
// published in the event on the order's fulfillment stream. Two versions with the same
// content result in the same event.
type Version struct {
	OrderID        string
	CustomerID     string
	Status         order.Status
	Reason         order.Reason
	Code           string
	Total          order.Money
	ShippingMethod string
	order.Shipment
	Parcels       []order.Parcel // so far, if the order ships in several
	SourceEventID string
	PlacedAt      time.Time
}

// Restore is what is known about a fulfillment whose row was lost, or lost its last
// versions, in a database failover that lost commits.
type Restore struct {
	Versions []Version // from revision 0 on, at least one
	Trace    correlation.Trace
	Order    *order.Placed // the body: recipient, lines and email address; nil if it is gone
	ShipBy   time.Duration // as in Start, for a row that is missing

	// Emails is the status of each email according to the order's workflow. An email that
	// is not in it is not known.
	Emails map[email.Kind]email.Status
}

// ValidStatus reports whether a fulfillment can have a status.
func ValidStatus(s order.Status) bool { return s == order.StatusFulfilling || s.Final() }

// FirstVersion returns the first version of a fulfillment: approved, and not yet shipped.
func FirstVersion(placed order.Placed, sourceEventID string) Version {
	return Version{
		OrderID: placed.OrderID, CustomerID: placed.CustomerID, Status: order.StatusFulfilling, Total: placed.Total,
		ShippingMethod: placed.ShippingMethod, SourceEventID: sourceEventID, PlacedAt: placed.PlacedAt,
	}
}

// EndedAs returns the versions that lead to an order's end. If the last of versions is
// final, it returns versions. Otherwise it appends one for each parcel that they lack, and
// one that is closed as end says. If there are no versions, the row's first version is that end, unless the fulfillment
// began before it. first is the version that the fulfillment began with, if it did.
func EndedAs(versions []Version, first Version, end order.State) []Version {
	switch {
	case len(versions) > 0 && versions[len(versions)-1].Status.Final():
		return versions
	case len(versions) == 0 && began(end):
		versions = []Version{first}
	}
	versions = versions[:len(versions):len(versions)]
	last := first
	if len(versions) > 0 {
		last = versions[len(versions)-1]
	}
	for n := len(last.Parcels) + 1; n < len(end.Parcels) || n == len(end.Parcels) && !end.Status.Final(); n++ {
		last.Parcels = end.Parcels[:n]
		versions = append(versions, last)
	}
	if !end.Status.Final() {
		return versions
	}
	last.Status, last.Reason, last.Code = end.Status, end.Reason, end.Code
	last.Shipment, last.Parcels = end.Shipment, end.Parcels
	return append(versions, last)
}

// began reports whether the fulfillment of an order with this state began. A canceled
// order had no row before its end unless an email was due.
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
