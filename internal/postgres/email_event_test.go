package postgres_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
)

var reportedAt = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

func reported(t email.EventType, messageID string) email.Event {
	return email.Event{Type: t, OrderID: orderID, Kind: confirmation, Attempt: 1, MessageID: messageID, At: reportedAt}
}

func bounce(hard bool, detail string) email.Event {
	e := reported(email.EventBounce, "m-1")
	e.Hard, e.Detail = hard, detail
	return e
}

func (w *world) report(e email.Event) email.Recorded {
	w.t.Helper()
	found, err := w.RecordEmailEvent(w.t.Context(), e)
	require.NoError(w.t, err)
	return found
}

// progress is how far an email got, with the number of suppressed addresses.
func (w *world) progress() string {
	w.t.Helper()
	return strings.Join(w.rows(`SELECT coalesce(progress, '-'), coalesce(progress_detail, '-'), (SELECT count(*) FROM email_suppression)
		FROM email_delivery WHERE kind = 'confirmation'`), ";")
}

func TestRecordEmailEvent_ProvesThatEmailWasSent(t *testing.T) {
	claimed := func(w *world) { w.claim(confirmation) }
	unknown := func(w *world) { claimed(w); w.settle(outcome(1, email.StatusUnknown, "")) }
	for name, c := range map[string]struct {
		before func(*world)
		status email.Status
		want   string
	}{
		"while the attempt runs":             {claimed, email.StatusSending, "sent|1|0|m-1"},
		"after its outcome became unknown":   {unknown, email.StatusUnknown, "sent|1|1|m-1"},
		"after it was recorded as not sent":  {func(w *world) { claimed(w); w.settle(outcome(1, email.StatusPending, "")) }, email.StatusPending, "sent|1|0|m-1"},
		"after it was recorded as sent":      {func(w *world) { claimed(w); w.settle(outcome(1, email.StatusSent, "m-1")) }, email.StatusSent, "sent|1|0|m-1"},
		"of an attempt that the ledger lost": {func(*world) {}, email.StatusPending, "sent|0|0|m-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Minute})
			w.start()
			c.before(w)
			found := w.report(reported(email.EventSend, "m-1"))
			require.Equal(t, c.status, found.Before)
			require.Equal(t, "customer-185176238", found.CustomerID)
			require.Equal(t, email.StatusSent, w.report(reported(email.EventSend, "m-1")).Before, "the same again")
			require.Equal(t, c.want, w.mail(confirmation))
			w.elapse(time.Hour)
			require.Equal(t, email.StatusSent, w.claim(confirmation).Status, "no second email goes out")
			require.Equal(t, "-|-|0", w.progress())
		})
	}
}

func TestRecordEmailEvent_KeepsTheLatestProgress(t *testing.T) {
	delay, delivery, complaint := reported(email.EventDelay, "m-1"), reported(email.EventDelivery, "m-1"), reported(email.EventComplaint, "m-1")
	for name, c := range map[string]struct {
		events []email.Event
		want   string
	}{
		"delivered":                           {[]email.Event{delivery}, "delivered|-|0"},
		"delayed and delivered":               {[]email.Event{delay, delivery}, "delivered|-|0"},
		"the delay arrives last":              {[]email.Event{delivery, delay}, "delivered|-|0"},
		"rejected":                            {[]email.Event{reported(email.EventReject, "m-1")}, "rejected|-|0"},
		"a full mailbox":                      {[]email.Event{bounce(false, "Transient/MailboxFull")}, "bounced|Transient/MailboxFull|0"},
		"no such mailbox":                     {[]email.Event{delivery, bounce(true, "Permanent/NoEmail")}, "bounced|Permanent/NoEmail|1"},
		"no such mailbox, after a full one":   {[]email.Event{bounce(false, "Transient/Full"), bounce(true, "Permanent/NoEmail")}, "bounced|Permanent/NoEmail|1"},
		"the delivery arrives after a bounce": {[]email.Event{bounce(true, "Permanent/NoEmail"), delivery}, "bounced|Permanent/NoEmail|1"},
		"a complaint":                         {[]email.Event{complaint, delivery, complaint}, "complained|-|1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			w.claim(confirmation)
			for _, e := range c.events {
				w.report(e)
				w.report(e)
			}
			require.Equal(t, c.want, w.progress())
			require.Equal(t, "sent|1|0|m-1", w.mail(confirmation))
		})
	}
}

func TestRecordEmailEvent_WithoutEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.Equal(t, email.Recorded{Before: email.StatusNone}, w.report(bounce(true, "")))
	w.start()
	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	w.report(bounce(true, ""))
	require.Equal(t, "bounced|-|0", w.progress(), "an erased address is not known any more")
}

func TestRecordEmailEvent_BoundsMessageIDs(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	for i := range 120 {
		w.report(reported(email.EventSend, "m-"+strings.Repeat("x", i)))
	}
	require.Equal(t, []string{"100"}, w.rows("SELECT cardinality(late_message_ids) FROM email_delivery"))
}

func TestClaimEmail_SuppressedAddress(t *testing.T) {
	suppressed := func(t *testing.T) *world {
		w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Minute})
		w.start()
		w.claim(confirmation)
		w.report(bounce(true, "Permanent/NoEmail"))
		w.close(shipped())
		return w
	}
	t.Run("fails an email that was not sent", func(t *testing.T) {
		w := suppressed(t)
		require.Equal(t, email.Claim{Status: email.StatusFailed}, w.claim(email.KindShipment))
		require.Equal(t, []string{"AddressSuppressed"}, w.rows("SELECT error_code FROM email_delivery WHERE kind = 'shipment'"))
	})
	t.Run("sends no second time what may have been sent", func(t *testing.T) {
		w := suppressed(t)
		require.NoError(t, w.exec(`UPDATE email_delivery SET status = 'unknown', unknown_attempts = 1, unknown_at = now() - interval '1 hour'
			WHERE kind = 'shipment'`))
		require.Equal(t, email.Claim{Status: email.StatusUnknown}, w.claim(email.KindShipment))
	})
	t.Run("ignores case and white space, and keeps no address", func(t *testing.T) {
		w := suppressed(t)
		require.NoError(t, w.exec("UPDATE email_delivery SET recipient = ' CANARY-mail@Example.com ' WHERE kind = 'shipment'"))
		require.Equal(t, email.StatusFailed, w.claim(email.KindShipment).Status)
		require.NotContains(t, strings.Join(w.rows("SELECT email_suppression::text FROM email_suppression"), ""), "canary")
	})
	t.Run("sends to other addresses", func(t *testing.T) {
		w := suppressed(t)
		require.NoError(t, w.exec("UPDATE email_delivery SET recipient = 'other@example.com' WHERE kind = 'shipment'"))
		require.Equal(t, email.StatusSending, w.claim(email.KindShipment).Status)
	})
	t.Run("sends again once an operator allows it", func(t *testing.T) {
		w := suppressed(t)
		list, more, err := w.ListSuppressions(t.Context(), 10)
		require.NoError(t, err)
		require.False(t, more)
		require.Len(t, list, 1)
		require.Equal(t, email.Suppression{OrderID: orderID, Kind: confirmation, Reason: email.ProgressBounced, Since: list[0].Since}, list[0])
		removed, err := w.AllowEmails(t.Context(), orderID)
		require.NoError(t, err)
		require.EqualValues(t, 1, removed)
		require.Equal(t, email.StatusSending, w.claim(email.KindShipment).Status)
		w.report(bounce(true, "Permanent/NoEmail"))
		require.Empty(t, w.rows("SELECT 1 FROM email_suppression"), "the same event again does not take that back")
	})
}
