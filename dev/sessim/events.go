package sessim

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

// EventsQueue is the queue that events about emails reach, and DeadQueue where those go
// that were received too often.
const (
	EventsQueue = "email-events"
	DeadQueue   = "email-events-dead"
)

// EventsQueuePath is the path of the URL of EventsQueue.
const EventsQueuePath = "/" + sqsAccount + "/" + EventsQueue

// maxReceives is the redrive policy of EventsQueue.
const maxReceives = 10

// The ways of an event from SES to its queue.
const (
	EnvelopeSNS         = "sns"         // a topic of SNS
	EnvelopeRaw         = "raw"         // a topic of SNS with raw message delivery
	EnvelopeEventBridge = "eventbridge" // a rule of EventBridge
)

// Outcomes are what becomes of an accepted email, as its events say: each is the events
// after Send.
const (
	OutcomeDelivered   = "delivered"
	OutcomeDelayed     = "delayed"      // and delivered afterwards
	OutcomeBounced     = "bounced"      // permanently: there is no such mailbox
	OutcomeSoftBounced = "soft-bounced" // the mailbox is full
	OutcomeComplained  = "complained"   // delivered, and reported as spam
	OutcomeRefused     = "refused"      // Reject: SES found malware after it had accepted the email
	OutcomeListed      = "listed"       // on the suppression list: a bounce without an attempt
	OutcomeSilent      = "silent"       // no event but Send
	OutcomeUnreported  = "unreported"   // no event at all
)

// outcomes returns the types of the events of each outcome, in their usual order.
func outcomes() map[string][]string {
	return map[string][]string{
		OutcomeDelivered:   {"Send", "Delivery"},
		OutcomeDelayed:     {"Send", "DeliveryDelay", "Delivery"},
		OutcomeBounced:     {"Send", "Bounce"},
		OutcomeSoftBounced: {"Send", "DeliveryDelay", "Bounce"},
		OutcomeComplained:  {"Send", "Delivery", "Complaint"},
		OutcomeRefused:     {"Send", "Reject"},
		OutcomeListed:      {"Send", "Bounce"},
		OutcomeSilent:      {"Send"},
		OutcomeUnreported:  {},
	}
}

// outcomeOf returns what becomes of a message: what was asked for, or what the addresses of
// SES's own mailbox simulator stand for.
func outcomeOf(m Message, fault string) string {
	local, domain, _ := strings.Cut(m.To, "@")
	name, _, _ := strings.Cut(local, "+") // a label
	switch simulated := domain == "simulator.amazonses.com"; {
	case outcomes()[fault] != nil:
		return fault
	case m.Suppressed, simulated && name == "suppressionlist":
		return OutcomeListed
	case simulated && name == "bounce":
		return OutcomeBounced
	case simulated && name == "complaint":
		return OutcomeComplained
	default:
		return OutcomeDelivered
	}
}

// publish sends the events about an accepted message to the queue. SES publishes them only
// for emails with a configuration set that has an event destination.
func (s *Server) publish(m Message, outcome string) {
	if m.ConfigurationSet == "" {
		return
	}
	for _, eventType := range outcomes()[outcome] {
		event := sesEvent(m, eventType, outcome)
		for range 1 + s.duplicates.Load() {
			if _, ok := s.queues[EventsQueue].send(wrap(s.envelope, event, eventType, m.At)); !ok {
				s.logger.Error("publish event", "error", "the queue is full")
			}
		}
	}
}

// sesEvent returns the record of an event in the form of SES's event publishing.
func sesEvent(m Message, eventType, outcome string) map[string]any {
	at := m.At.Format("2006-01-02T15:04:05.000Z")
	tags := map[string][]string{"ses:configuration-set": {m.ConfigurationSet}, "ses:caller-identity": {"orderflow"}}
	for name, value := range m.Tags {
		tags[name] = []string{value}
	}
	recipients := strings.Split(m.To, ", ")
	event := map[string]any{"eventType": eventType, "mail": map[string]any{
		"timestamp": at, "source": m.From, "sendingAccountId": sqsAccount, "messageId": m.MessageID, "destination": recipients,
		"headersTruncated": false, "headers": []any{}, "commonHeaders": map[string]any{"to": recipients, "subject": m.Subject}, "tags": tags,
	}}
	switch eventType {
	case "Send":
		event["send"] = map[string]any{}
	case "Delivery":
		event["delivery"] = map[string]any{
			"timestamp": at, "processingTimeMillis": 200, "recipients": recipients, "smtpResponse": "250 OK", "reportingMTA": "sessim",
		}
	case "DeliveryDelay":
		event["deliveryDelay"] = map[string]any{
			"timestamp": at, "delayType": "MailboxFull", "expirationTime": at, "delayedRecipients": addressed(recipients),
		}
	case "Bounce":
		kind, sub := bounceOf(outcome)
		event["bounce"] = map[string]any{
			"bounceType": kind, "bounceSubType": sub, "bouncedRecipients": addressed(recipients), "timestamp": at, "feedbackId": m.MessageID,
		}
	case "Complaint":
		event["complaint"] = map[string]any{
			"complainedRecipients": addressed(recipients), "timestamp": at, "feedbackId": m.MessageID, "complaintFeedbackType": "abuse",
		}
	case "Reject":
		event["reject"] = map[string]any{"reason": "Bad content"}
	}
	return event
}

func bounceOf(outcome string) (kind, sub string) {
	switch outcome {
	case OutcomeSoftBounced:
		return "Transient", "MailboxFull"
	case OutcomeListed:
		return "Permanent", "OnAccountSuppressionList"
	default:
		return "Permanent", "NoEmail"
	}
}

func addressed(recipients []string) []map[string]string {
	all := make([]map[string]string, len(recipients))
	for i, recipient := range recipients {
		all[i] = map[string]string{"emailAddress": recipient}
	}
	return all
}

// detailTypes are EventBridge's names of the events.
var detailTypes = map[string]string{
	"Send": "Email Sent", "Delivery": "Email Delivered", "DeliveryDelay": "Email Delivery Delayed", "Bounce": "Email Bounced",
	"Complaint": "Email Complaint Received", "Reject": "Email Rejected",
}

// wrap returns the body of the queue's message.
func wrap(envelope string, event map[string]any, eventType string, at time.Time) string {
	record := encode(event)
	switch envelope {
	case EnvelopeRaw:
		return record
	case EnvelopeEventBridge:
		return encode(map[string]any{
			"version": "0", "id": uuid.NewString(), "detail-type": detailTypes[eventType], "source": "aws.ses", "account": sqsAccount,
			"time": at.Format(time.RFC3339), "region": "us-east-1",
			"resources": []string{"arn:aws:ses:us-east-1:" + sqsAccount + ":configuration-set/orders"}, "detail": json.RawMessage(record),
		})
	default:
		return encode(map[string]any{
			"Type": "Notification", "MessageId": uuid.NewString(), "TopicArn": "arn:aws:sns:us-east-1:" + sqsAccount + ":email-events",
			"Subject": "Amazon SES Email Event Notification", "Message": record, "Timestamp": at.Format("2006-01-02T15:04:05.000Z"),
			"SignatureVersion": "1", "Signature": "none", "SigningCertURL": "https://sns.invalid/", "UnsubscribeURL": "https://sns.invalid/",
		})
	}
}

// encode returns JSON. The values are maps of strings, which cannot fail.
func encode(value any) string {
	text, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(text)
}

// QueueURL returns the URL of EventsQueue.
func (s *Server) QueueURL() string { return s.queueURL(EventsQueue) }

// SendEvent puts a body into EventsQueue, whatever it is.
func (s *Server) SendEvent(body string) error {
	if _, ok := s.queues[EventsQueue].send(body); !ok {
		return errors.New("the queue is full")
	}
	return nil
}

// ReportEvent publishes the events of an outcome about a message of the inbox.
func (s *Server) ReportEvent(messageID, outcome string) error {
	m, ok := s.inbox.get(messageID)
	if !ok {
		return fmt.Errorf("no message %s", messageID)
	}
	s.publish(m, outcome)
	return nil
}

// Duplicate makes every later event reach the queue this many times more than once, as
// SNS and EventBridge may do.
func (s *Server) Duplicate(more int) { s.duplicates.Store(int64(more)) }

// Queued returns how many messages of a queue are visible, and how many are in flight.
func (s *Server) Queued(name string) (visible, inFlight int) { return s.queues[name].counts() }

// reportEvent serves POST /events: {"messageId", "outcome"}.
func (s *Server) reportEvent(w http.ResponseWriter, r *http.Request) {
	var request struct {
		MessageID string `json:"messageId"`
		Outcome   string `json:"outcome"`
	}
	err := json.NewDecoder(r.Body).Decode(&request)
	if err == nil && outcomes()[request.Outcome] == nil {
		err = errors.New("outcome: must be delivered, delayed, bounced, soft-bounced, complained, refused, listed, silent or unreported")
	}
	if err == nil {
		err = s.ReportEvent(request.MessageID, request.Outcome)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"message": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// listQueues serves GET /queues: what each queue holds.
func (s *Server) listQueues(w http.ResponseWriter, _ *http.Request) {
	type state struct {
		Name     string `json:"name"`
		URL      string `json:"url"`
		Visible  int    `json:"visible"`
		InFlight int    `json:"inFlight"`
	}
	var all []state
	for name, q := range s.queues {
		visible, inFlight := q.counts()
		all = append(all, state{name, s.queueURL(name), visible, inFlight})
	}
	slices.SortFunc(all, func(a, b state) int { return strings.Compare(a.Name, b.Name) })
	writeJSON(w, http.StatusOK, all)
}

// ExpireVisibility makes every message of EventsQueue that is in flight visible, as if its
// visibility timeout had ended.
func (s *Server) ExpireVisibility() { s.queues[EventsQueue].expire() }
