package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/postgres"
)

// age moves everything that happened to the mails so far into the past.
func (w *world) age(by time.Duration) {
	w.t.Helper()
	w.elapse(by)
	require.NoError(w.t, w.exec("UPDATE email_delivery SET updated_at = updated_at - $1::interval", by))
}

func TestMailsAreDueWhenAClaimWouldDoSomethingAboutThem(t *testing.T) {
	unknown := func(w *world) {
		w.claim(confirmation)
		w.settle(outcome(1, email.StatusUnknown, ""))
	}
	settled := func(status email.Status, id string) func(*world) {
		return func(w *world) {
			w.claim(confirmation)
			w.settle(outcome(1, status, id))
			w.age(24 * time.Hour)
		}
	}
	for name, c := range map[string]struct {
		policy email.Policy
		before func(*world)
		due    bool
	}{
		"waiting":                            {before: func(w *world) { w.age(time.Hour) }, due: true},
		"waiting, for a moment":              {before: func(w *world) { w.age(time.Second) }},
		"an attempt is under way":            {before: func(w *world) { w.age(time.Hour); w.claim(confirmation) }},
		"an attempt's lease ended, just now": {before: func(w *world) { w.claim(confirmation); w.elapse(time.Hour) }},
		"an attempt's lease ended":           {before: func(w *world) { w.claim(confirmation); w.age(time.Hour) }, due: true},
		"its lease is long":                  {before: func(w *world) { w.claim(confirmation); w.age(10 * time.Minute) }},
		"unknown, within the grace time":     {before: func(w *world) { unknown(w); w.age(10 * time.Minute) }},
		"unknown, after the grace time":      {before: func(w *world) { unknown(w); w.age(time.Hour) }, due: true},
		"unknown, and not to be sent again":  {before: func(w *world) { unknown(w); w.age(24 * time.Hour) }, policy: email.PolicyHold},
		"unknown twice": {before: func(w *world) {
			unknown(w)
			w.elapse(time.Hour)
			w.claim(confirmation)
			w.settle(outcome(2, email.StatusUnknown, ""))
			w.age(24 * time.Hour)
		}},
		"unknown, and the order cancelled": {before: func(w *world) {
			unknown(w)
			w.close(cancelled())
			w.claim(email.KindCancellation)
			w.settle(email.Outcome{Kind: email.KindCancellation, Attempt: 1, Status: email.StatusSent, MessageID: "m-1"})
			w.age(24 * time.Hour)
		}},
		"not sent, to be tried again": {before: settled(email.StatusPending, ""), due: true},
		"sent":                        {before: settled(email.StatusSent, "m-1")},
		"failed":                      {before: settled(email.StatusFailed, "")},
		"taken back":                  {before: func(w *world) { w.close(cancelled()); w.age(24 * time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{Grace: 20 * time.Minute, Lease: 20 * time.Minute, Unknown: c.policy})
			w.start()
			c.before(w)

			due, err := w.DueEmails(t.Context(), 5*time.Minute, 10)

			require.NoError(t, err)
			if !c.due {
				require.Empty(t, due)
				return
			}
			require.Equal(t, []email.Due{{OrderID: orderID, Kind: confirmation}}, due)
			before := w.mail(confirmation)
			w.claim(confirmation)
			require.NotEqual(t, before, w.mail(confirmation), "a claim does something about it")
		})
	}
}

func TestTheMailsLeftAloneTheLongestAreDueFirst(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	for i := range 5 {
		begin := start()
		begin.Order.OrderID = fmt.Sprintf("order-%d", i)
		_, err := w.StartFulfillment(t.Context(), begin)
		require.NoError(t, err)
	}
	w.age(time.Hour)
	_, err := w.ClaimEmail(t.Context(), "order-0", confirmation)
	require.NoError(t, err)
	o := outcome(1, email.StatusPending, "")
	o.OrderID = "order-0"
	_, err = w.SettleEmail(t.Context(), o) // so that it is tried after all others
	require.NoError(t, err)

	due, err := w.DueEmails(t.Context(), 0, 2)
	require.NoError(t, err)
	require.Equal(t, []email.Due{{OrderID: "order-1", Kind: confirmation}, {OrderID: "order-2", Kind: confirmation}}, due)
	due, err = w.DueEmails(t.Context(), 0, 1000)
	require.NoError(t, err)
	require.Len(t, due, 5)
	require.Equal(t, "order-0", due[4].OrderID)
}

func TestHowManyMailsAreDueIsBounded(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	for _, limit := range []int{-1, 0, 1001} {
		_, err := w.DueEmails(t.Context(), 0, limit)
		require.ErrorIs(t, err, fulfillment.ErrInvalid)
	}
	_, err := w.DueEmails(t.Context(), -1, 1)
	require.ErrorIs(t, err, fulfillment.ErrInvalid)
}

func TestMailsThatAreNotSettledAreCounted(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	for i, settle := range []email.Outcome{
		outcome(1, email.StatusUnknown, ""), outcome(1, email.StatusUnknown, ""), outcome(1, email.StatusPending, ""),
		outcome(1, email.StatusSent, "m-1"), outcome(1, email.StatusFailed, ""), {}, // the last one's attempt goes on
	} {
		begin := start()
		begin.Order.OrderID = fmt.Sprintf("order-%d", i)
		_, err := w.StartFulfillment(t.Context(), begin)
		require.NoError(t, err)
		_, err = w.ClaimEmail(t.Context(), begin.Order.OrderID, confirmation)
		require.NoError(t, err)
		if settle.Status != "" {
			settle.OrderID = begin.Order.OrderID
			_, err = w.SettleEmail(t.Context(), settle)
			require.NoError(t, err)
		}
	}
	w.start()
	pending, unknown, err := w.UnsettledEmails(t.Context())
	require.NoError(t, err)
	require.EqualValues(t, 3, pending, "one waits, one is being sent, and one is to be tried again")
	require.EqualValues(t, 2, unknown)
}
