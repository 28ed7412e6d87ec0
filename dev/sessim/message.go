package sessim

import (
	"strings"
	"time"
)

// Message is one accepted email.
type Message struct {
	MessageID        string            `json:"messageId"`
	To               string            `json:"to"` // all recipients, separated by a comma and a space
	From             string            `json:"from"`
	ReplyTo          string            `json:"replyTo,omitempty"`
	Subject          string            `json:"subject"`
	Text             string            `json:"text"`
	HTML             string            `json:"html"`
	Tags             map[string]string `json:"tags"`
	Headers          map[string]string `json:"headers"`
	ConfigurationSet string            `json:"configurationSet"`
	Suppressed       bool              `json:"suppressed,omitempty"` // accepted, but the real service would not deliver it
	At               time.Time         `json:"at"`
}

// headerOrderID is the header in which senders put the unchanged order id. A tag could
// not hold every character of an id.
const headerOrderID = "X-Order-Id"

func (m Message) orderID() string { return m.Headers[headerOrderID] }

func (m Message) size() int {
	return len(m.To) + len(m.From) + len(m.Subject) + len(m.Text) + len(m.HTML) + 512
}

// filter selects messages; an empty field matches all.
type filter struct{ to, orderID string }

func (f filter) matches(m Message) bool {
	return (f.to == "" || hasRecipient(m.To, f.to)) && (f.orderID == "" || m.orderID() == f.orderID)
}

func hasRecipient(list, address string) bool {
	for recipient := range strings.SplitSeq(list, ", ") {
		if strings.EqualFold(recipient, address) {
			return true
		}
	}
	return false
}
