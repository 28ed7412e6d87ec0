package email

import (
	"time"

	"orderflow/internal/correlation"
)

// EventType is the type of an event about an email that the provider has accepted.
type EventType string

// The types of events.
const (
	EventSend      EventType = "send"
	EventDelivery  EventType = "delivery"
	EventDelay     EventType = "delay"
	EventBounce    EventType = "bounce"
	EventComplaint EventType = "complaint"
	EventReject    EventType = "reject"
)

// EventTypes returns all types.
func EventTypes() []EventType {
	return []EventType{EventSend, EventDelivery, EventDelay, EventBounce, EventComplaint, EventReject}
}

// Event is what the provider reports about one attempt. Events arrive late, repeated and
// in any order. It has no address: the ledger knows the recipient.
type Event struct {
	Type      EventType
	OrderID   string
	Kind      Kind
	Attempt   int
	MessageID string
	At        time.Time // when it happened, UTC
	Hard      bool      // of a bounce: the address takes no email, now or later
	Detail    string    // of a bounce or complaint: the provider's code, at most MaxDetail of [A-Za-z0-9._/-]
}

// MaxDetail is the maximum length of an event's detail.
const MaxDetail = 64

// Suppresses reports whether no more emails may be sent to the address after the event.
func (e Event) Suppresses() bool { return e.Type == EventComplaint || e.Type == EventBounce && e.Hard }

// Progress is how far an accepted email got, as the provider's events say. It is empty
// until the first event after Send.
type Progress string

// The values of Progress, each of which supersedes those before it, whatever the order in
// which the events arrive: an email that bounced may have been delivered to a server that
// refused it later, and only a delivered email is complained about.
const (
	ProgressDelayed    Progress = "delayed"
	ProgressDelivered  Progress = "delivered"
	ProgressRejected   Progress = "rejected"
	ProgressBounced    Progress = "bounced"
	ProgressComplained Progress = "complained"
)

// Progresses returns all values in their order.
func Progresses() []Progress {
	return []Progress{ProgressDelayed, ProgressDelivered, ProgressRejected, ProgressBounced, ProgressComplained}
}

// Progress returns what the event says about the email, or "" for EventSend.
func (e Event) Progress() Progress {
	switch e.Type {
	case EventDelay:
		return ProgressDelayed
	case EventDelivery:
		return ProgressDelivered
	case EventReject:
		return ProgressRejected
	case EventBounce:
		return ProgressBounced
	case EventComplaint:
		return ProgressComplained
	default:
		return ""
	}
}

// Recorded is what the ledger knows about the email of an event, after the event.
type Recorded struct {
	Before        Status // the status before the event; StatusNone if there is no such email
	CustomerID    string
	SourceEventID string // of the order
	Trace         correlation.Trace
}

// Suppression is an address to which no more emails are sent, as shown to an operator:
// by the email that showed why.
type Suppression struct {
	OrderID string    `json:"orderId"`
	Kind    Kind      `json:"kind"`
	Reason  Progress  `json:"reason"` // bounced or complained
	Since   time.Time `json:"since"`
}

// CodeSuppressed is the error code of an email that was not sent because of its address.
const CodeSuppressed = "AddressSuppressed"
