package postgres_test

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/email"
	"orderflow/internal/fulfillment"
	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

const confirmation = email.KindConfirmation

func outcome(attempt int, status email.Status, messageID string) email.Outcome {
	return email.Outcome{Kind: confirmation, Attempt: attempt, Status: status, MessageID: messageID}
}

// elapse moves an email's lease and grace time into the past, as if that long had gone by.
func (w *world) elapse(by time.Duration) {
	w.t.Helper()
	require.NoError(w.t, w.exec(`UPDATE email_delivery SET lease_until = lease_until - $1::interval, unknown_at = unknown_at - $1::interval`, by))
}

func TestClaimEmail_ReturnsLetterOfPendingEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()

	claim := w.claim(confirmation)

	require.Equal(t, email.Claim{
		Status: email.StatusSending, Attempt: 1,
		Letter: email.Letter{
			OrderID: orderID, Kind: confirmation, To: "canary-mail@example.com", Name: "canary-title canary-name",
			Total: total(), Country: "canary-country", AddressLines: []string{"canary-street 445", "75096 Chadport"},
			Lines: []email.LetterLine{
				{ProductName: "Lamp", Quantity: 5, UnitPrice: "601.05"},
				{ProductName: "Ring", Quantity: 3, UnitPrice: "392.810"},
			},
		},
	}, claim)
}

func TestClaimEmail_ShipmentLetterNamesCarrier(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.close(shipped())

	letter := w.claim(email.KindShipment).Letter

	require.Equal(t, "canary-mail@example.com", letter.To)
	require.Equal(t, "UPS 1Z999", letter.Carrier+" "+letter.TrackingNumber)
}

func TestClaimEmail_WaitsForLease(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Lease: time.Minute})
	w.start()
	w.claim(confirmation)

	other := w.claim(confirmation)

	require.Equal(t, email.StatusPending, other.Status, "sending is said to the owner alone")
	require.Greater(t, other.RetryIn, 50*time.Second)
	require.LessOrEqual(t, other.RetryIn, time.Minute)
	require.Empty(t, other.Letter)
}

func TestClaimEmail_ConcurrentlyHasOneOwner(t *testing.T) {
	w := newWorld(t, postgres.Config{MaxConns: 16})
	w.start()
	var owners atomic.Int64
	inParallel(t, 16, func(int) error {
		claim, err := w.ClaimEmail(t.Context(), orderID, confirmation)
		if claim.Status == email.StatusSending {
			owners.Add(1)
		} else if claim.RetryIn <= 0 {
			return errors.Join(err, errors.New("an attempt that lost is told to come back"))
		}
		return err
	})
	require.EqualValues(t, 1, owners.Load())
	require.Equal(t, "sending|1|0|-", w.mail(confirmation))
}

func TestEmailLedger_IgnoresMissingEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.Equal(t, email.Claim{Status: email.StatusNone}, w.claim(confirmation))
	w.start()
	require.Equal(t, email.Claim{Status: email.StatusNone}, w.claim(email.KindShipment))
	status, err := w.SettleEmail(t.Context(), email.Outcome{OrderID: orderID, Kind: email.KindShipment, Attempt: 1, Status: email.StatusFailed})
	require.NoError(t, err)
	require.Equal(t, email.StatusNone, status, "a row that was lost leaves nothing to settle")
}

// The ledger, state by state: what is there, what is reported, and what is there then.
func TestSettleEmail_CountsOwningAttemptOnly(t *testing.T) {
	claimed := func(w *world) { w.claim(confirmation) }
	second := func(w *world) {
		w.claim(confirmation)
		w.settle(outcome(1, email.StatusPending, ""))
		w.claim(confirmation)
	}
	after := func(status email.Status, id string) func(*world) {
		return func(w *world) {
			w.claim(confirmation)
			w.settle(outcome(1, status, id))
		}
	}
	for name, c := range map[string]struct {
		before  func(*world)
		outcome email.Outcome
		want    string
	}{
		"sent":                                {claimed, outcome(1, email.StatusSent, "m-1"), "sent|1|0|m-1"},
		"not sent, may be tried again":        {claimed, outcome(1, email.StatusPending, ""), "pending|1|0|-"},
		"never to be sent":                    {claimed, outcome(1, email.StatusFailed, ""), "failed|1|0|-"},
		"nobody knows":                        {claimed, outcome(1, email.StatusUnknown, ""), "unknown|1|1|-"},
		"an older attempt was not sent":       {second, outcome(1, email.StatusPending, ""), "sending|2|0|-"},
		"an older attempt failed":             {second, outcome(1, email.StatusFailed, ""), "sending|2|0|-"},
		"an older attempt is not known":       {second, outcome(1, email.StatusUnknown, ""), "sending|2|0|-"},
		"an older attempt was sent after all": {second, outcome(1, email.StatusSent, "m-1"), "sent|2|0|m-1"},
		"never claimed":                       {func(*world) {}, outcome(1, email.StatusFailed, ""), "pending|0|0|-"},
		"pending after sent":                  {after(email.StatusSent, "m-1"), outcome(1, email.StatusPending, ""), "sent|1|0|m-1"},
		"unknown after unknown":               {after(email.StatusUnknown, ""), outcome(1, email.StatusUnknown, ""), "unknown|1|1|-"},
		"sent after unknown":                  {after(email.StatusUnknown, ""), outcome(1, email.StatusSent, "m-1"), "sent|1|1|m-1"},
		"sent after failed":                   {after(email.StatusFailed, ""), outcome(1, email.StatusSent, "m-1"), "sent|1|0|m-1"},
		"the first message id stays":          {after(email.StatusSent, "m-1"), outcome(2, email.StatusSent, "m-2"), "sent|1|0|m-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			c.before(w)
			status := w.settle(c.outcome)
			require.Equal(t, c.want, w.mail(confirmation))
			require.Regexp(t, "^"+string(status)+`\|`, c.want)
			require.Equal(t, status, w.settle(c.outcome), "the same again")
			require.Equal(t, c.want, w.mail(confirmation))
		})
	}
}

func TestSettleEmail_KeepsEachLateMessageIDOnce(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	for _, id := range []string{"m-1", "m-2", "m-1", "m-3", "m-2"} {
		require.Equal(t, email.StatusSent, w.settle(outcome(1, email.StatusSent, id)))
	}
	require.Equal(t, []string{"m-1|m-2,m-3"}, w.rows("SELECT message_id, array_to_string(late_message_ids, ',') FROM email_delivery"))
}

func TestClaimEmail_LeavesSettledEmailAlone(t *testing.T) {
	for _, o := range []email.Outcome{
		outcome(1, email.StatusSent, "m-1"), outcome(1, email.StatusFailed, ""),
	} {
		t.Run(string(o.Status), func(t *testing.T) {
			w := newWorld(t, postgres.Config{})
			w.start()
			w.claim(confirmation)
			w.settle(o)
			require.Equal(t, email.Claim{Status: o.Status, Attempt: 1}, w.claim(confirmation))
		})
	}
}

func TestClaimEmail_RetriesUnknownOnceAfterGrace(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Lease: time.Minute, Grace: time.Hour})
	w.start()
	w.claim(confirmation)

	w.elapse(time.Minute)
	waiting := w.claim(confirmation)
	require.Equal(t, email.StatusUnknown, waiting.Status)
	require.Greater(t, waiting.RetryIn, 59*time.Minute)
	require.LessOrEqual(t, waiting.RetryIn, time.Hour)
	row, err := w.FindFulfillment(t.Context(), orderID)
	require.NoError(t, err)
	require.Equal(t, email.StatusUnknown, row.Email)
	require.Equal(t, confirmation, row.EmailDue, "it is still to be sent")

	w.elapse(time.Hour)
	resend := w.claim(confirmation)
	require.Equal(t, email.StatusSending, resend.Status)
	require.Equal(t, 2, resend.Attempt)
	require.Equal(t, "canary-mail@example.com", resend.Letter.To)

	w.elapse(time.Minute)
	require.Equal(t, email.Claim{Status: email.StatusUnknown, Attempt: 2}, w.claim(confirmation), "never a third time")
	w.elapse(24 * time.Hour)
	require.Equal(t, email.Claim{Status: email.StatusUnknown, Attempt: 2}, w.claim(confirmation))
	require.Equal(t, "unknown|2|2|-", w.mail(confirmation))
	row, err = w.FindFulfillment(t.Context(), orderID)
	require.NoError(t, err)
	require.Empty(t, row.EmailDue)
}

func TestFindFulfillment_ReportsOlderUnsettledEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Lease: time.Minute})
	w.start()
	claim := w.claim(confirmation)
	w.close(cancelled())
	both := func(due email.Kind, older ...email.Kind) {
		t.Helper()
		row, err := w.FindFulfillment(t.Context(), orderID)
		require.NoError(t, err)
		listed, err := w.FindFulfillments(t.Context(), []string{orderID})
		require.NoError(t, err)
		for _, row := range append(listed, row) {
			require.Equal(t, due, row.EmailDue)
			require.Equal(t, older, row.AlsoDue)
		}
	}
	both(email.KindCancellation, confirmation)
	second := w.claim(email.KindCancellation)
	w.settle(email.Outcome{Kind: email.KindCancellation, Attempt: second.Attempt, Status: email.StatusSent, MessageID: "m-2"})
	both("", confirmation)
	w.settle(outcome(claim.Attempt, email.StatusSent, "m-1"))
	both("")
}

func TestClaimEmail_PolicyHoldNeverRetriesUnknown(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Unknown: email.PolicyHold, Grace: time.Microsecond})
	w.start()
	w.claim(confirmation)
	w.settle(outcome(1, email.StatusUnknown, ""))
	w.elapse(24 * time.Hour)

	require.Equal(t, email.Claim{Status: email.StatusUnknown, Attempt: 1}, w.claim(confirmation))
	row, err := w.FindFulfillment(t.Context(), orderID)
	require.NoError(t, err)
	require.Empty(t, row.EmailDue)
}

func TestClaimEmail_SkipsConfirmationOfCanceledOrder(t *testing.T) {
	cancel := func(w *world) { w.close(cancelled()) }
	for name, c := range map[string]struct {
		after func(*world)
		want  string
	}{
		"taken back":                {cancel, "suppressed|0|0|-"},
		"its attempt was not sent":  {func(w *world) { w.claim(confirmation); cancel(w); w.settle(outcome(1, email.StatusPending, "")) }, "suppressed|1|0|-"},
		"its attempt was lost":      {func(w *world) { w.claim(confirmation); cancel(w); w.elapse(time.Hour) }, "unknown|1|1|-"},
		"its attempt is not known":  {func(w *world) { w.claim(confirmation); w.settle(outcome(1, email.StatusUnknown, "")); cancel(w) }, "unknown|1|1|-"},
		"its attempt was sent late": {func(w *world) { w.claim(confirmation); cancel(w); w.settle(outcome(1, email.StatusSent, "m-1")) }, "sent|1|0|m-1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Microsecond})
			w.start()
			c.after(w)
			claim := w.claim(confirmation)
			require.NotEqual(t, email.StatusSending, claim.Status)
			require.Zero(t, claim.RetryIn)
			require.Equal(t, c.want, w.mail(confirmation))
		})
	}
}

func TestClaimEmail_RetriesUnknownShipmentEmail(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Microsecond})
	w.start()
	w.close(shipped())
	w.claim(email.KindShipment)
	w.settle(email.Outcome{Kind: email.KindShipment, Attempt: 1, Status: email.StatusUnknown})

	require.Equal(t, email.StatusSending, w.claim(email.KindShipment).Status)
}

func TestSettleEmail_CleansErrorCode(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	o := outcome(1, email.StatusFailed, "")
	o.ErrorCode = "MessageRejected: <a@example.com> is refused " + string(make([]byte, 100)) + "and much, much, much, much more"

	w.settle(o)

	require.Equal(t, []string{"MessageRejected___a_example.com__is_refused_and_much__much__much"},
		w.rows("SELECT error_code FROM email_delivery"))
}

func TestSettleEmail_RefusesInvalidOutcomes(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	for _, o := range []email.Outcome{
		outcome(1, email.StatusSuppressed, ""), outcome(1, "", ""), outcome(1, email.StatusSent, ""),
	} {
		o.OrderID = orderID
		_, err := w.SettleEmail(t.Context(), o)
		require.ErrorIs(t, err, fulfillment.ErrInvalid)
	}
	require.Equal(t, "sending|1|0|-", w.mail(confirmation))
}

func TestEraseOrder_RemovesPersonalData(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.claim(confirmation)
	w.settle(outcome(1, email.StatusSent, "m-1"))
	before := w.close(shipped())
	require.Contains(t, w.rows("SELECT f::text FROM order_fulfillment f")[0], canaries[0])

	require.NoError(t, w.EraseOrder(t.Context(), orderID))
	require.NoError(t, w.EraseOrder(t.Context(), orderID), "the same again")

	row, err := w.FindFulfillment(t.Context(), orderID)
	require.NoError(t, err)
	before.Email, before.EmailDue = email.StatusSuppressed, ""
	require.Equal(t, before, row, "revision and times stay")
	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 2)
	w.requireNoPerson("order_fulfillment", "order_fulfillment_line", "order_fulfillment_history", "email_delivery")
	require.Equal(t, "suppressed|0|0|-", w.mail(email.KindShipment))
	require.Equal(t, email.Claim{Status: email.StatusSuppressed}, w.claim(email.KindShipment))
	require.Equal(t, row, w.start(), "a late start brings nothing back")
}

func TestEraseOrder_DuringAttemptLeavesItUnknown(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Grace: time.Microsecond})
	w.start()
	w.claim(confirmation)

	require.NoError(t, w.EraseOrder(t.Context(), orderID))

	require.Equal(t, email.Claim{Status: email.StatusUnknown, Attempt: 1}, w.claim(confirmation))
	row := w.close(shipped())
	require.Equal(t, email.StatusSuppressed, row.Email, "there is no address to write to")
	require.Empty(t, row.EmailDue)
	require.Equal(t, email.StatusSent, w.settle(outcome(1, email.StatusSent, "m-1")))
}

func TestEraseOrder_NotFound(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	require.ErrorIs(t, w.EraseOrder(t.Context(), orderID), postgres.ErrNotFound)
}

func TestHistory_HoldsNoPersonalData(t *testing.T) {
	w := newWorld(t, postgres.Config{})
	w.start()
	w.close(cancelled())
	other := rejected()
	other.OrderID, other.Order.OrderID = "order-2", "order-2"
	_, err := w.CloseFulfillment(t.Context(), other)
	require.NoError(t, err)

	require.Len(t, w.rows("SELECT 1 FROM order_fulfillment_history"), 3)
	w.requireNoPerson("order_fulfillment_history")
	require.Equal(t, order.StatusRejected, w.mustFind("order-2").Status)
}
