package postgres_test

import (
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/email"
	"orderflow/internal/postgres"
)

// attempt is one send as the provider and the sender saw it.
type attempt struct {
	number   int
	accepted bool // the provider has it
}

// ledgerRun drives one order's confirmation through whatever can happen to it, and counts
// what really went out.
type ledgerRun struct {
	*world
	id        string
	inFlight  []attempt // claimed and not settled: under way, or lost
	accepted  int
	resent    int // by an operator
	cancelled bool
}

func (r *ledgerRun) claimAndSend(t *rapid.T) {
	claim, err := r.ClaimEmail(r.t.Context(), r.id, confirmation)
	require.NoError(t, err)
	if claim.Status != email.StatusSending {
		return
	}
	require.False(t, r.cancelled, "nothing is tried once the order is canceled")
	a := attempt{number: claim.Attempt, accepted: rapid.Bool().Draw(t, "accepted")}
	if a.accepted {
		r.accepted++
	}
	r.inFlight = append(r.inFlight, a)
}

// settleOne reports an attempt's outcome, perhaps long after it was given up: truly, or
// that it is not known.
func (r *ledgerRun) settleOne(t *rapid.T) {
	if len(r.inFlight) == 0 {
		return
	}
	i := rapid.IntRange(0, len(r.inFlight)-1).Draw(t, "which")
	a := r.inFlight[i]
	r.inFlight = append(r.inFlight[:i:i], r.inFlight[i+1:]...)
	o := email.Outcome{OrderID: r.id, Kind: confirmation, Attempt: a.number, Status: email.StatusUnknown}
	switch known := rapid.Bool().Draw(t, "known"); {
	case known && a.accepted:
		o.Status, o.MessageID = email.StatusSent, fmt.Sprintf("m-%d", a.number)
	case known:
		o.Status = rapid.SampledFrom([]email.Status{email.StatusPending, email.StatusFailed}).Draw(t, "not sent")
	}
	status, err := r.SettleEmail(r.t.Context(), o)
	require.NoError(t, err)
	if o.Status == email.StatusSent {
		require.Equal(t, email.StatusSent, status, "what is known to have gone out is never forgotten")
	}
}

// resolve lets an operator decide, now and then, whatever state the email is in.
func (r *ledgerRun) resolve(t *rapid.T) {
	if rapid.IntRange(0, 3).Draw(t, "now and then") != 0 {
		return
	}
	resolution := rapid.SampledFrom([]email.Resolution{email.ResolutionResend, email.ResolutionFailed, email.ResolutionSent}).Draw(t, "as")
	_, err := r.ResolveEmail(r.t.Context(), email.Decision{OrderID: r.id, Kind: confirmation, Resolution: resolution})
	var refused *email.RefusedError
	if errors.As(err, &refused) {
		return
	}
	require.NoError(t, err)
	if resolution == email.ResolutionResend {
		require.False(t, r.cancelled, "nothing is sent again once the order is canceled")
		r.resent++
	}
}

func (r *ledgerRun) letTimePass(t *rapid.T) {
	require.NoError(t, r.exec(`UPDATE email_delivery SET lease_until = lease_until - interval '1 hour',
		unknown_at = unknown_at - interval '1 hour' WHERE order_id = $1`, r.id))
}

func (r *ledgerRun) cancelRarely(t *rapid.T) {
	if rapid.IntRange(0, 4).Draw(t, "rarely") != 0 {
		return
	}
	c := cancelled()
	c.OrderID = r.id
	_, err := r.CloseFulfillment(r.t.Context(), c)
	require.NoError(t, err)
	r.cancelled = true
}

func (r *ledgerRun) check(t *rapid.T) {
	rows := r.rows("SELECT unknown_attempts FROM email_delivery WHERE order_id = $1 AND kind = 'confirmation'", r.id)
	unknown, err := strconv.Atoi(rows[0])
	require.NoError(t, err)
	require.LessOrEqual(t, r.accepted, 1+unknown)
	require.LessOrEqual(t, r.accepted, 2+r.resent, "an unknown mail is sent once more, and never again unless somebody says so")
	if r.accepted > 0 && r.cancelled {
		told := r.rows("SELECT 1 FROM email_delivery WHERE order_id = $1 AND kind = 'cancellation'", r.id)
		require.Len(t, told, 1, "whoever was told that the order goes through is told that it does not")
	}
}

func TestEmailLedger_SendsOncePlusOncePerUnknownAttempt(t *testing.T) {
	w := newWorld(t, postgres.Config{}, postgres.EmailRules{Lease: time.Hour, Grace: time.Hour})
	var orders atomic.Int64
	rapid.Check(t, func(t *rapid.T) {
		r := &ledgerRun{world: w, id: fmt.Sprintf("order-%d", orders.Add(1))}
		begin := start()
		begin.Order.OrderID = r.id
		_, err := w.StartFulfillment(w.t.Context(), begin)
		require.NoError(t, err)
		t.Repeat(map[string]func(*rapid.T){
			"claim and send": r.claimAndSend,
			"settle":         r.settleOne,
			"time passes":    r.letTimePass,
			"cancel":         r.cancelRarely,
			"resolve":        r.resolve,
			"":               r.check,
		})
	})
}
