package postgres_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/postgres"
)

// waysTo brings the confirmation of an order into each state there is.
func waysTo() map[email.Status]func(*world) {
	settled := func(status email.Status, id string) func(*world) {
		return func(w *world) {
			w.claim(confirmation)
			w.settle(outcome(1, status, id))
		}
	}
	return map[email.Status]func(*world){
		email.StatusPending:    func(*world) {},
		email.StatusSending:    func(w *world) { w.claim(confirmation) },
		email.StatusSent:       settled(email.StatusSent, "m-1"),
		email.StatusFailed:     settled(email.StatusFailed, ""),
		email.StatusUnknown:    settled(email.StatusUnknown, ""),
		email.StatusSuppressed: func(w *world) { w.close(cancelled()) },
	}
}

func (w *world) resolve(r email.Resolution, messageID string) (email.Delivery, error) {
	w.t.Helper()
	return w.ResolveEmail(w.t.Context(), email.Decision{OrderID: orderID, Kind: confirmation, Resolution: r, MessageID: messageID})
}

func (w *world) list(limit int, statuses ...email.Status) ([]email.Delivery, bool) {
	w.t.Helper()
	list, more, err := w.ListEmails(w.t.Context(), email.Filter{Statuses: statuses, Limit: limit})
	require.NoError(w.t, err)
	return list, more
}

func TestResolveEmail_OfEachStatus(t *testing.T) {
	const sent, failed, resend = email.ResolutionSent, email.ResolutionFailed, email.ResolutionResend
	want := map[email.Status]map[email.Resolution]string{
		email.StatusPending:    {failed: "failed|0|0|-", resend: "pending|0|0|-"},
		email.StatusSending:    {},
		email.StatusSent:       {sent: "sent|1|0|m-1"},
		email.StatusFailed:     {failed: "failed|1|0|-", resend: "pending|1|0|-"},
		email.StatusSuppressed: {},
		email.StatusUnknown:    {sent: "sent|1|1|-", failed: "failed|1|1|-", resend: "pending|1|1|-"},
	}
	for status, bring := range waysTo() {
		for _, r := range []email.Resolution{sent, failed, resend} {
			t.Run(fmt.Sprintf("%s as %s", status, r), func(t *testing.T) {
				w := newWorld(t, postgres.Config{})
				w.start()
				bring(w)
				before := w.mail(confirmation)
				for range 2 { // the same again changes nothing
					found, preview := w.PreviewResolution(t.Context(), email.Decision{OrderID: orderID, Kind: confirmation, Resolution: r})
					require.True(t, strings.HasPrefix(w.mail(confirmation), string(found.Status)+"|"), "a preview changes nothing")
					row, err := w.resolve(r, "")
					require.Equal(t, err, preview, "and it knows what would come of it")
					if after, allowed := want[status][r]; allowed {
						require.NoError(t, err)
						require.Equal(t, after, w.mail(confirmation))
						require.True(t, strings.HasPrefix(after, fmt.Sprintf("%s|%d|%d|", row.Status, row.Attempt, row.UnknownAttempts)))
						continue
					}
					var refused *email.RefusedError
					require.ErrorAs(t, err, &refused)
					require.Equal(t, status, refused.Status)
					require.Equal(t, status == email.StatusSending, !refused.LeaseUntil.IsZero())
					require.Equal(t, before, w.mail(confirmation))
				}
			})
		}
	}
}

func TestResolveEmail_FromChosenStatusOnly(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	waysTo()[email.StatusUnknown](w)
	fail := email.Decision{OrderID: orderID, Kind: confirmation, Resolution: email.ResolutionFailed, Only: email.StatusPending}
	_, preview := w.PreviewResolution(t.Context(), fail)
	require.EqualError(t, preview, "resolve email: it is unknown")
	_, err := w.ResolveEmail(t.Context(), fail)
	require.Equal(t, preview, err, "it was pending when it was chosen, and an attempt that may have gone out came between")
	require.Equal(t, "unknown|1|1|-", w.mail(confirmation))

	fail.Only = email.StatusUnknown
	for range 2 {
		_, err = w.ResolveEmail(t.Context(), fail)
		require.NoError(t, err)
		require.Equal(t, "failed|1|1|-", w.mail(confirmation))
	}
}

func TestResolveEmail_FailsPendingEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	w.settle(outcome(1, email.StatusPending, ""))
	_, err := w.resolve(email.ResolutionFailed, "")
	require.NoError(t, err)
	require.Equal(t, email.Claim{Status: email.StatusFailed, Attempt: 1}, w.claim(confirmation))
}

func TestPreviewResolution_CountsExpiredAttempt(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Lease: time.Minute})
	w.start()
	w.claim(confirmation)
	w.elapse(time.Minute)
	found, err := w.PreviewResolution(t.Context(), email.Decision{OrderID: orderID, Kind: confirmation, Resolution: email.ResolutionSent})
	require.NoError(t, err)
	require.Equal(t, email.StatusUnknown, found.Status)
	require.Equal(t, 1, found.UnknownAttempts)
	require.Equal(t, "sending|1|0|-", w.mail(confirmation))
}

func TestListEmails_FiltersByTimeOfStatus(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	w.settle(outcome(1, email.StatusPending, ""))
	due := time.Date(2025, 1, 31, 12, 0, 0, 0, time.UTC)
	require.NoError(t, w.exec("UPDATE email_delivery SET created_at = $1", due))
	found := func(f email.Filter) int {
		f.Statuses, f.Limit = []email.Status{email.StatusPending}, 10
		list, _, err := w.ListEmails(t.Context(), f)
		require.NoError(t, err)
		for _, d := range list {
			require.Equal(t, due, d.Since, "a further attempt does not make it younger")
		}
		return len(list)
	}
	require.Equal(t, 1, found(email.Filter{}))
	require.Equal(t, 1, found(email.Filter{From: due, To: due.Add(time.Microsecond), Kind: confirmation}))
	require.Zero(t, found(email.Filter{From: due.Add(time.Microsecond)}))
	require.Zero(t, found(email.Filter{To: due}), "the end of the range is not in it")
	require.Zero(t, found(email.Filter{Kind: email.KindShipment}))
	_, err := w.resolve(email.ResolutionResend, "")
	require.NoError(t, err)
	require.Equal(t, 1, found(email.Filter{From: due}), "it was pending already")
}

func TestResolveEmail_SentTakesLaterMessageIDs(t *testing.T) {
	ids := `SELECT message_id, array_to_string(late_message_ids, ','), sent_at IS NOT NULL FROM email_delivery`
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	w.settle(outcome(1, email.StatusUnknown, ""))
	for _, step := range []struct{ id, want string }{
		{"", "<nil>||false"}, {"m-1", "m-1||false"}, {"m-1", "m-1||false"}, {"m-2", "m-1|m-2|false"}, {"m-2", "m-1|m-2|false"}, {"", "m-1|m-2|false"},
	} {
		_, err := w.resolve(email.ResolutionSent, step.id)
		require.NoError(t, err)
		require.Equal(t, []string{step.want}, w.rows(ids))
	}
	require.Equal(t, email.StatusSent, w.settle(outcome(1, email.StatusSent, "m-3")), "and from the attempt itself")
	require.Equal(t, []string{"m-1|m-2,m-3|true"}, w.rows(ids))
	require.Equal(t, email.Claim{Status: email.StatusSent, Attempt: 1}, w.claim(confirmation))
}

func TestResolveEmail_ResendCountsUnknownAttempts(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Unknown: email.PolicyHold, Lease: time.Minute})
	w.start()
	for i := 1; i <= 3; i++ {
		require.Equal(t, email.StatusSending, w.claim(confirmation).Status)
		w.elapse(time.Minute) // the attempt was lost
		_, err := w.resolve(email.ResolutionResend, "")
		require.NoError(t, err, "a lost attempt is found by the operator, too")
		require.Equal(t, fmt.Sprintf("pending|%d|%d|-", i, i), w.mail(confirmation))
	}
	require.Equal(t, email.StatusSending, w.claim(confirmation).Status)
	require.Equal(t, email.StatusSending, w.settle(outcome(3, email.StatusFailed, "")), "a lost attempt settles nothing")
	require.Equal(t, email.StatusSent, w.settle(outcome(4, email.StatusSent, "m-4")))
	require.Equal(t, email.StatusSent, w.settle(outcome(2, email.StatusSent, "m-2")), "but its message id is kept")
	require.Equal(t, "sent|4|3|m-4", w.mail(confirmation))
}

func TestResolveEmail_RefusesResendWithoutRecipient(t *testing.T) {
	unknown := waysTo()[email.StatusUnknown]
	for name, c := range map[string]struct {
		after func(*world)
		want  string
	}{
		"the person was erased":  {func(w *world) { require.NoError(w.t, w.EraseOrder(w.t.Context(), orderID)) }, "resolve email: it is unknown, and its address was erased"},
		"the order was canceled": {func(w *world) { w.close(cancelled()) }, "resolve email: it is unknown, and its order was cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			unknown(w)
			c.after(w)
			_, err := w.resolve(email.ResolutionResend, "")
			require.EqualError(t, err, c.want)
			_, err = w.resolve(email.ResolutionFailed, "")
			require.NoError(t, err, "but it may be closed")
		})
	}
}

func TestCloseFulfillment_SuppressesResentConfirmation(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	waysTo()[email.StatusUnknown](w)
	_, err := w.resolve(email.ResolutionResend, "")
	require.NoError(t, err)
	w.close(cancelled())
	require.Equal(t, "unknown|1|1|-", w.mail(confirmation))
	require.Equal(t, "pending|0|0|-", w.mail(email.KindCancellation))
	require.Equal(t, email.Claim{Status: email.StatusUnknown, Attempt: 1}, w.claim(confirmation))
}

func TestResolveEmail_RefusesInvalidResolutions(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	_, err := w.resolve(email.ResolutionSent, "")
	require.ErrorIs(t, err, postgres.ErrNotFound)
	w.start()
	waysTo()[email.StatusUnknown](w)
	for _, bad := range []struct {
		r  email.Resolution
		id string
	}{{"", ""}, {"pending", ""}, {email.ResolutionResend, "m-1"}, {email.ResolutionFailed, "m-1"}, {email.ResolutionSent, strings.Repeat("m", 257)}} {
		_, err := w.resolve(bad.r, bad.id)
		require.ErrorIs(t, err, fulfillment.ErrInvalid)
	}
	require.Equal(t, "unknown|1|1|-", w.mail(confirmation))
}

func TestListEmails_OldestFirstAndLostAttemptsAsUnknown(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Lease: time.Minute})
	settles := []email.Status{email.StatusUnknown, email.StatusFailed, email.StatusSent, email.StatusPending, "lost", "sending"}
	for i, status := range settles {
		begin := start()
		begin.Order.OrderID = fmt.Sprintf("order-%d", i)
		_, err := w.StartFulfillment(t.Context(), begin)
		require.NoError(t, err)
		_, err = w.ClaimEmail(t.Context(), begin.Order.OrderID, confirmation)
		require.NoError(t, err)
		o := email.Outcome{OrderID: begin.Order.OrderID, Kind: confirmation, Attempt: 1, Status: status, ErrorCode: "timeout"}
		switch status {
		case "lost":
			require.NoError(t, w.exec("UPDATE email_delivery SET lease_until = lease_until - interval '1 day' WHERE order_id = $1", o.OrderID))
			continue
		case "sending":
			continue
		case email.StatusSent:
			o.MessageID = "m-1"
		}
		_, err = w.SettleEmail(t.Context(), o)
		require.NoError(t, err)
	}
	named := func(list []email.Delivery) (all []string) {
		for _, d := range list {
			require.WithinRange(t, d.Since, time.Now().Add(-25*time.Hour), time.Now().Add(time.Minute))
			all = append(all, fmt.Sprintf("%s %s %s %d %d %s", d.OrderID, d.Kind, d.Status, d.Attempt, d.UnknownAttempts, d.ErrorCode))
		}
		return all
	}
	unknown, more := w.list(2, email.StatusUnknown)
	require.False(t, more)
	require.Equal(t, []string{"order-4 confirmation unknown 1 1 ", "order-0 confirmation unknown 1 1 timeout"}, named(unknown))
	all, more := w.list(10, email.StatusUnknown, email.StatusPending, email.StatusSending, email.StatusFailed)
	require.False(t, more)
	require.Equal(t, []string{
		"order-4 confirmation unknown 1 1 ", "order-0 confirmation unknown 1 1 timeout", "order-1 confirmation failed 1 0 timeout",
		"order-3 confirmation pending 1 0 timeout", "order-5 confirmation sending 1 0 ",
	}, named(all))
	first, more := w.list(1, email.StatusUnknown)
	require.True(t, more, "and it says when there is more")
	require.Equal(t, unknown[:1], first)
	none, more := w.list(5, email.StatusSuppressed)
	require.Empty(t, none)
	require.NotNil(t, none)
	require.False(t, more)
}

func TestListEmails_UsesIndex(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.NoError(t, w.exec("SET enable_seqscan = off"))
	for _, question := range []string{"status IN ('pending', 'sending', 'unknown')", "status IN ('pending', 'sending', 'unknown', 'failed')"} {
		plan := strings.Join(w.rows("EXPLAIN SELECT count(*) FROM email_delivery WHERE "+question), "\n")
		require.Contains(t, plan, "email_delivery_open")
	}
}
