package judge_test

import (
	"time"

	"orderflow/dev/checker/internal/facts"
)

func wrongMails() []wrong {
	return []wrong{
		{"a mail that came twice", func(w factSet) {
			o := w.Order(shipped)
			o.Messages = append(o.Messages, facts.Message{ID: "again", Kind: "shipment", OrderTag: shipped, To: shipped + "@example.com"})
		}, []string{"mail.count"}},
		{"a mail that came three times with one unknown attempt", func(w factSet) {
			o := w.Order(shipped)
			o.Mails[1].Unknown = 1
			again := facts.Message{ID: "again", Kind: "shipment", OrderTag: shipped, To: shipped + "@example.com"}
			o.Messages = append(o.Messages, again, again)
		}, []string{"mail.count"}},
		{"a mail that was sent and is not in the inbox", func(w factSet) {
			o := w.Order(shipped)
			o.Messages = o.Messages[:1]
		}, []string{"mail.sent"}},
		{"a mail that failed and is in the inbox", func(w factSet) {
			m := &w.Order(shipped).Mails[1]
			m.Status, m.MessageIDs = "failed", nil
		}, []string{"mail.sent"}},
		{"a mail the ledger does not know", func(w factSet) {
			o := w.Order(shipped)
			o.Messages = append(o.Messages, facts.Message{ID: "stray", Kind: "rejection", OrderTag: shipped, To: shipped + "@example.com"})
		}, []string{"mail.ledger"}},
		{"a mail to a suppressed address", func(w factSet) {
			o := w.Order(shipped)
			since := noon
			o.Suppressed, o.EmailEvents = &since, []facts.EmailEvent{{Type: "email-bounced", Kind: "confirmation", MessageID: "m"}}
			o.Messages[1].At = noon.Add(time.Minute)
		}, []string{"mail.suppressed"}},
		{"a suppressed address that is not published", func(w factSet) {
			since := noon
			w.Order(shipped).Suppressed = &since
		}, []string{"mail.suppressed"}},
		{"a bounce that is published twice", func(w factSet) {
			e := facts.EmailEvent{Type: "email-bounced", Kind: "confirmation", MessageID: "m"}
			w.Order(shipped).EmailEvents = []facts.EmailEvent{e, e}
		}, []string{"mail.suppressed"}},
		{"a mail to another address", func(w factSet) {
			w.Order(shipped).Messages[0].To = "bob@example.com"
		}, []string{"mail.recipient"}},
		{"a mail with another order's tag", func(w factSet) {
			w.Order(shipped).Messages[0].OrderTag = paid
		}, []string{"mail.recipient"}},
		{"a shipped order without a shipping mail", func(w factSet) {
			o := w.Order(shipped)
			o.Mails, o.Messages = o.Mails[:1], o.Messages[:1]
		}, []string{"mail.due"}},
		{"an order that was told yes and not told no", func(w factSet) {
			o := w.Order(cancelled)
			o.Mails, o.Messages = o.Mails[:1], o.Messages[:1]
		}, []string{"mail.due"}},
		{"an approved order with a rejection", func(w factSet) {
			w.mail(approved, "rejection")
		}, []string{"mail.due"}},
		{"a mail that came again after its workflow had ended with it sent, though its record was lost", func(w factSet) {
			o := w.Order(shipped)
			o.Runs[0].Outcome.Email = "sent"
			w.Lost = []facts.Span{{From: noon.Add(-time.Second), To: noon.Add(time.Hour)}}
			o.Messages = append(o.Messages, facts.Message{ID: "again", Kind: "shipment", OrderTag: shipped, To: shipped + "@example.com", At: noon.Add(time.Minute)})
		}, []string{"mail.result"}},
		{"a mail that came twice, neither time when commits were lost", func(w factSet) {
			o := w.Order(shipped)
			w.Lost = []facts.Span{{From: noon.Add(-time.Hour), To: noon.Add(-time.Minute)}}
			again := facts.Message{ID: "again", Kind: "shipment", OrderTag: shipped, To: shipped + "@example.com", At: noon}
			o.Messages[1].At, o.Messages = noon, append(o.Messages, again)
		}, []string{"mail.count"}},
		{"a mail that is left on its way", func(w factSet) {
			o := w.Order(shipped)
			o.Mails[1] = facts.Mail{Kind: "shipment", Status: "pending"}
			o.Messages = o.Messages[:1]
		}, []string{"mail.settled"}},
	}
}

func wrongStores() []wrong {
	return []wrong{
		{"a group with a lag", func(w factSet) { w.Group.Lag = 1 }, []string{"group.drained"}},
		{"no group", func(w factSet) { w.Group.Exists = false }, []string{"group.drained"}},
		{"a name in a history", func(w factSet) {
			w.Leaks = []facts.Leak{{Where: "workflow history", Order: shipped, What: "event 1"}}
		}, []string{"privacy"}},
		{"an erased order whose stream can be read", func(w factSet) {
			o := w.Order(shipped)
			o.Row.Erased, o.Mails[0].Recipient, o.Mails[1].Recipient = true, "", ""
		}, []string{"privacy.erased"}},
		{"a name in a row of an erased order", func(w factSet) {
			o := w.Order(shipped)
			o.Deleted, o.Row.Erased, o.Row.Remains = true, true, []string{"order_fulfillment"}
			o.Mails[0].Recipient, o.Mails[1].Recipient = "", ""
		}, []string{"privacy.erased"}},
	}
}
