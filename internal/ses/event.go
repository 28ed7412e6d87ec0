package ses

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"orderflow/internal/email"
)

// The errors of a message in the queue of events that is not an event about an email of
// this program.
var (
	// ErrIgnored means that the message is of a known kind that says nothing about delivery.
	ErrIgnored = errors.New("no event about delivery")
	// ErrForeign means that it is an event about an email that another program sent, or this
	// one in another environment.
	ErrForeign = errors.New("an event about another program's email")
	// ErrMalformed means that it cannot be read.
	ErrMalformed = errors.New("not an event of SES")
)

// maxEvent is the size of the largest message of SQS.
const maxEvent = 1 << 20

// testMessage begins the message that SES sends to a topic once, to see that it may.
const testMessage = "Successfully validated SNS topic for Amazon SES event publishing"

// envelope has the members by which SNS, EventBridge and SES itself are told apart.
type envelope struct {
	// Of SNS.
	Type    string
	Message string

	// Of EventBridge.
	Source string          `json:"source"`
	Detail json.RawMessage `json:"detail"`
}

// record is an event of SES, as it publishes them for a configuration set.
type record struct {
	EventType string `json:"eventType"`
	Mail      struct {
		MessageID string              `json:"messageId"`
		Timestamp time.Time           `json:"timestamp"`
		Tags      map[string][]string `json:"tags"`
	} `json:"mail"`
	Bounce struct {
		Type      string    `json:"bounceType"`
		SubType   string    `json:"bounceSubType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"bounce"`
	Complaint struct {
		Feedback  string    `json:"complaintFeedbackType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"complaint"`
	Delivery struct {
		Timestamp time.Time `json:"timestamp"`
	} `json:"delivery"`
	Delay struct {
		Type      string    `json:"delayType"`
		Timestamp time.Time `json:"timestamp"`
	} `json:"deliveryDelay"`
}

// tagSet is the tag in which SES names the configuration set of an email. A sender cannot
// set it.
const tagSet = "ses:configuration-set"

// ParseEvent reads the body of a message in the queue: an event of SES as SNS or
// EventBridge pass it on, or as it is if SNS delivers raw messages. Events about emails
// that were sent with another configuration set are foreign: each environment has a set of
// its own, and orders in two of them may have the same id. The error is one of ErrIgnored,
// ErrForeign and ErrMalformed, and quotes nothing. The result has no address.
func ParseEvent(body, configurationSet string) (email.Event, error) {
	if len(body) > maxEvent {
		return email.Event{}, ErrMalformed
	}
	if strings.HasPrefix(body, testMessage) {
		return email.Event{}, ErrIgnored
	}
	var outer envelope
	if json.Unmarshal([]byte(body), &outer) != nil {
		return email.Event{}, ErrMalformed
	}
	inner := []byte(body)
	switch {
	case outer.Type == "Notification" && strings.HasPrefix(outer.Message, testMessage):
		return email.Event{}, ErrIgnored
	case outer.Type == "Notification":
		inner = []byte(outer.Message)
	case outer.Source == "aws.ses":
		inner = outer.Detail
	}
	var r record
	if json.Unmarshal(inner, &r) != nil || r.EventType == "" {
		return email.Event{}, ErrMalformed
	}
	if r.tag(tagSet) != configurationSet {
		return email.Event{}, fmt.Errorf("%w: it was sent with another configuration set", ErrForeign)
	}
	return r.event()
}

// event returns the event, or why it is not about an email of Orderflow.
func (r *record) event() (email.Event, error) {
	e, err := r.email()
	if err != nil {
		return email.Event{}, err
	}
	e.At = r.Mail.Timestamp
	switch r.EventType {
	case "Send":
		e.Type = email.EventSend
	case "Delivery":
		e.Type, e.At = email.EventDelivery, r.Delivery.Timestamp
	case "DeliveryDelay":
		e.Type, e.At, e.Detail = email.EventDelay, r.Delay.Timestamp, r.Delay.Type
	case "Bounce":
		e.Type, e.At, e.Detail = email.EventBounce, r.Bounce.Timestamp, r.Bounce.Type+"/"+r.Bounce.SubType
		e.Hard = r.Bounce.Type == "Permanent"
	case "Complaint":
		if r.Complaint.Feedback == "not-spam" { // the recipient took a complaint back
			return email.Event{}, ErrIgnored
		}
		e.Type, e.At, e.Detail = email.EventComplaint, r.Complaint.Timestamp, r.Complaint.Feedback
	case "Reject":
		e.Type = email.EventReject
	default: // Open, Click, Subscription, Rendering Failure and what is yet to come
		return email.Event{}, ErrIgnored
	}
	if e.At.IsZero() {
		e.At = r.Mail.Timestamp
	}
	if year := e.At.UTC().Year(); year < 2000 || year > 9999 {
		return email.Event{}, fmt.Errorf("%w: it has no time", ErrMalformed)
	}
	e.At, e.Detail = e.At.UTC(), safeDetail(e.Detail)
	return e, nil
}

// email returns the email that the event is about, which its tags name.
func (r *record) email() (email.Event, error) {
	id, ok := orderID(r.tag(tagOrderID))
	kind, attempt := email.Kind(r.tag(tagKind)), r.tag(tagAttempt)
	number, err := strconv.Atoi(attempt)
	switch {
	case !ok || !kind.Known() || err != nil || number < 0:
		return email.Event{}, ErrForeign
	case !validMessageID(r.Mail.MessageID):
		return email.Event{}, fmt.Errorf("%w: it has no message id", ErrMalformed)
	default:
		return email.Event{OrderID: id, Kind: kind, Attempt: number, MessageID: r.Mail.MessageID}, nil
	}
}

// tag returns the value of a tag, or "" if it does not have exactly one.
func (r *record) tag(name string) string {
	if values := r.Mail.Tags[name]; len(values) == 1 {
		return values[0]
	}
	return ""
}

// safeDetail drops a detail that is not short and plain, because details go into the
// ledger and into events.
func safeDetail(detail string) string {
	plain := func(r rune) bool { return r == '.' || r == '/' || isTagRune(r) }
	detail = strings.TrimSuffix(detail, "/")
	if len(detail) > email.MaxDetail || strings.ContainsFunc(detail, func(r rune) bool { return !plain(r) }) {
		return ""
	}
	return detail
}
