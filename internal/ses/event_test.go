package ses_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/ses"
)

// sesEvent returns an event in the form of SES's event publishing.
func sesEvent(eventType, tags, more string) string {
	return fmt.Sprintf(`{"eventType":%q,"mail":{"timestamp":"2025-03-01T12:00:00.000Z","messageId":"m-1","destination":["jane.doe@example.com"],
		"tags":{"ses:configuration-set":["orders"],%s}}%s}`, eventType, tags, more)
}

const ours = `"order_id":["order-0a1b_-2c"],"kind":["shipment"],"attempt":["2"]`

func sns(event string) string {
	text, _ := json.Marshal(event)
	return `{"Type":"Notification","MessageId":"x","TopicArn":"arn:aws:sns:eu-west-1:1:t","Message":` + string(text) + `}`
}

func eventBridge(event string) string {
	return `{"version":"0","id":"x","detail-type":"Email Event","source":"aws.ses","detail":` + event + `}`
}

func TestParseEvent(t *testing.T) {
	t.Parallel()
	at := time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)
	later := `"timestamp":"2025-03-01T12:05:00.000Z"`
	event := func(t email.EventType, at time.Time, hard bool, detail string) email.Event {
		return email.Event{
			Type: t, OrderID: "order-0a1b.2c", Kind: email.KindShipment, Attempt: 2, MessageID: "m-1", At: at, Hard: hard, Detail: detail,
		}
	}
	for name, c := range map[string]struct {
		body string
		want email.Event
	}{
		"send":       {sesEvent("Send", ours, `,"send":{}`), event(email.EventSend, at, false, "")},
		"delivery":   {sesEvent("Delivery", ours, `,"delivery":{`+later+`}`), event(email.EventDelivery, at.Add(5*time.Minute), false, "")},
		"delay":      {sesEvent("DeliveryDelay", ours, `,"deliveryDelay":{"delayType":"MailboxFull",`+later+`}`), event(email.EventDelay, at.Add(5*time.Minute), false, "MailboxFull")},
		"reject":     {sesEvent("Reject", ours, `,"reject":{"reason":"Bad content"}`), event(email.EventReject, at, false, "")},
		"hard":       {sesEvent("Bounce", ours, `,"bounce":{"bounceType":"Permanent","bounceSubType":"General",`+later+`}`), event(email.EventBounce, at.Add(5*time.Minute), true, "Permanent/General")},
		"soft":       {sesEvent("Bounce", ours, `,"bounce":{"bounceType":"Transient"}`), event(email.EventBounce, at, false, "Transient")},
		"complaint":  {sesEvent("Complaint", ours, `,"complaint":{"complaintFeedbackType":"abuse"}`), event(email.EventComplaint, at, false, "abuse")},
		"no details": {sesEvent("Complaint", ours, `,"complaint":{"complaintFeedbackType":"jane.doe@example.com"}`), event(email.EventComplaint, at, false, "")},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for way, body := range map[string]string{"raw": c.body, "SNS": sns(c.body), "EventBridge": eventBridge(c.body)} {
				got, err := ses.ParseEvent(body, "orders")
				require.NoError(t, err, way)
				require.Equal(t, c.want, got, way)
			}
		})
	}
}

func TestParseEvent_OtherMessages(t *testing.T) {
	t.Parallel()
	const validated = "Successfully validated SNS topic for Amazon SES event publishing."
	for body, want := range map[string]error{
		validated:                               ses.ErrIgnored,
		sns(validated):                          ses.ErrIgnored,
		sesEvent("Open", ours, ""):              ses.ErrIgnored,
		sns(sesEvent("Click", ours, "")):        ses.ErrIgnored,
		sesEvent("Rendering Failure", ours, ""): ses.ErrIgnored,
		sesEvent("Complaint", ours, `,"complaint":{"complaintFeedbackType":"not-spam"}`): ses.ErrIgnored,

		sesEvent("Send", `"kind":["shipment"]`, ""):                                                  ses.ErrForeign,
		sesEvent("Send", `"order_id":["order-1"],"kind":["newsletter"],"attempt":["1"]`, ""):         ses.ErrForeign,
		sesEvent("Send", `"order_id":["order-1"],"kind":["shipment"],"attempt":["one"]`, ""):         ses.ErrForeign,
		sesEvent("Send", `"order_id":["order-1","order-2"],"kind":["shipment"],"attempt":["1"]`, ""): ses.ErrForeign,

		strings.Replace(sesEvent("Bounce", ours, ""), `["orders"]`, `["staging"]`, 1):          ses.ErrForeign,
		strings.Replace(sesEvent("Open", ours, ""), `["orders"]`, `["staging"]`, 1):            ses.ErrForeign,
		strings.Replace(sesEvent("Bounce", ours, ""), `["orders"]`, `["orders","staging"]`, 1): ses.ErrForeign,
		strings.Replace(sesEvent("Bounce", ours, ""), `"ses:configuration-set"`, `"set"`, 1):   ses.ErrForeign,

		"":                              ses.ErrMalformed,
		"hello":                         ses.ErrMalformed,
		"[]":                            ses.ErrMalformed,
		"{}":                            ses.ErrMalformed,
		sns("hello"):                    ses.ErrMalformed,
		`{"Type":"Notification"}`:       ses.ErrMalformed,
		`{"source":"aws.ses"}`:          ses.ErrMalformed,
		`{"notificationType":"Bounce"}`: ses.ErrMalformed,
		strings.Repeat("[", 1<<20):      ses.ErrMalformed,
		strings.Replace(sesEvent("Send", ours, ""), `"m-1"`, `"m 1"`, 1):                              ses.ErrMalformed,
		strings.Replace(sesEvent("Send", ours, ""), `"2025-03-01T12:00:00.000Z"`, `"soon"`, 1):        ses.ErrMalformed,
		strings.Replace(sesEvent("Send", ours, ""), `"timestamp":"2025-03-01T12:00:00.000Z",`, ``, 1): ses.ErrMalformed,
	} {
		_, err := ses.ParseEvent(body, "orders")
		require.ErrorIs(t, err, want, body)
	}
}

func FuzzParseEvent(f *testing.F) {
	for _, event := range []string{
		sesEvent("Send", ours, ""), sesEvent("Bounce", ours, `,"bounce":{"bounceType":"Permanent","bounceSubType":"General"}`), `{"eventType":"Send","mail":{"tags":{"kind":null}}}`,
	} {
		f.Add(event)
		f.Add(sns(event))
		f.Add(eventBridge(event))
	}
	f.Fuzz(func(t *testing.T, body string) {
		e, err := ses.ParseEvent(body, "orders")
		if err != nil {
			require.Zero(t, e)
			return
		}
		require.True(t, e.Kind.Known())
		require.Regexp(t, `^[!-~]{1,200}$`, e.MessageID)
		require.Regexp(t, `^[A-Za-z0-9._/-]{0,64}$`, e.Detail)
		require.Contains(t, email.EventTypes(), e.Type)
	})
}
