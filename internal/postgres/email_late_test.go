package postgres_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// notSentAfterUnknown leaves a confirmation pending whose first attempt may have gone
// out.
func notSentAfterUnknown(w *world) {
	w.claim(confirmation)
	w.settle(outcome(1, email.StatusUnknown, ""))
	w.elapse(time.Hour)
	w.claim(confirmation)
	w.settle(outcome(2, email.StatusPending, ""))
}

func TestEmailLedger_KeepsUnknownOverSuppressed(t *testing.T) {
	for name, takeBack := range map[string]func(*world){
		"the order is canceled": func(w *world) { notSentAfterUnknown(w); w.close(cancelled()) },
		"the order is canceled in the middle of an attempt": func(w *world) {
			w.claim(confirmation)
			w.settle(outcome(1, email.StatusUnknown, ""))
			w.elapse(time.Hour)
			w.claim(confirmation)
			w.close(cancelled())
			w.settle(outcome(2, email.StatusPending, ""))
		},
		"the person is erased": func(w *world) {
			notSentAfterUnknown(w)
			require.NoError(w.t, w.EraseOrder(w.t.Context(), orderID))
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Minute})
			w.start()
			takeBack(w)
			require.Equal(t, "unknown|2|1|-", w.mail(confirmation))
			w.age(24 * time.Hour)
			require.Equal(t, email.Claim{Status: email.StatusUnknown, Attempt: 2}, w.claim(confirmation), "it is not sent again")
			if w.mustFind(orderID).Status == order.StatusCancelled {
				require.Equal(t, "pending|0|0|-", w.mail(email.KindCancellation), "the customer is told")
			}
		})
	}
}

// A later attempt may be where the message id of an earlier one becomes known.
func TestSettleEmail_RecordsEarlierAttemptAsSent(t *testing.T) {
	lost := func(w *world) { w.claim(confirmation); w.elapse(time.Hour); w.claim(confirmation) }
	again := func(w *world) { lost(w); w.elapse(time.Hour); w.claim(confirmation) } // attempt 2 is under way
	for name, c := range map[string]struct {
		before func(*world)
		want   string
	}{
		"its lease goes on":               {func(w *world) { w.claim(confirmation) }, "sent|1|0|m-1"},
		"its lease has ended":             {func(w *world) { w.claim(confirmation); w.elapse(time.Hour) }, "sent|1|0|m-1"},
		"it was found to be unknown":      {lost, "sent|1|1|m-1"},
		"a later attempt is under way":    {again, "sent|2|1|m-1"},
		"a later attempt was not sent":    {func(w *world) { again(w); w.settle(outcome(2, email.StatusPending, "")) }, "sent|2|1|m-1"},
		"a later attempt failed":          {func(w *world) { again(w); w.settle(outcome(2, email.StatusFailed, "")) }, "sent|2|1|m-1"},
		"a later attempt is unknown too":  {func(w *world) { again(w); w.settle(outcome(2, email.StatusUnknown, "")) }, "sent|2|2|m-1"},
		"a later attempt was sent":        {func(w *world) { again(w); w.settle(outcome(2, email.StatusSent, "m-2")) }, "sent|2|1|m-2"},
		"it was not sent, as it was said": {func(w *world) { w.claim(confirmation); w.settle(outcome(1, email.StatusPending, "")) }, "sent|1|0|m-1"},
		"the order was canceled":          {func(w *world) { lost(w); w.close(cancelled()) }, "sent|1|1|m-1"},
		"the person was erased":           {func(w *world) { again(w); require.NoError(w.t, w.EraseOrder(w.t.Context(), orderID)) }, "sent|2|2|m-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Minute, Lease: time.Minute})
			w.start()
			c.before(w)
			for range 2 { // the same again changes nothing
				require.Equal(t, email.StatusSent, w.settle(outcome(1, email.StatusSent, "m-1")))
				require.Equal(t, c.want, w.mail(confirmation))
			}
			for _, late := range []email.Status{email.StatusPending, email.StatusFailed, email.StatusUnknown} {
				require.Equal(t, email.StatusSent, w.settle(outcome(2, late, "")), "sent is never taken back")
			}
			require.Equal(t, c.want, w.mail(confirmation))
			require.Equal(t, email.StatusSent, w.claim(confirmation).Status, "and not sent again")
		})
	}
}

func TestSettleEmail_KeepsMessageIDOfSecondSend(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Minute, Lease: time.Minute})
	w.start()
	for range 2 {
		w.claim(confirmation)
		w.elapse(time.Hour)
	}
	w.claim(confirmation) // the second attempt is under way
	w.settle(outcome(1, email.StatusSent, "m-1"))
	require.Equal(t, email.StatusSent, w.settle(outcome(2, email.StatusSent, "m-2")))
	require.Equal(t, []string{"m-1|m-2"}, w.rows("SELECT message_id, array_to_string(late_message_ids, ',') FROM email_delivery"))
}
