package credit_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
)

// onHold returns the events of an opened account whose orders are on hold.
func onHold(t *testing.T, limit string, amounts ...string) []credit.Event {
	t.Helper()
	events := []credit.Event{credit.Opened{CustomerID: customer, Limit: money(t, limit)}}
	for i, amount := range amounts {
		events = append(events, credit.LimitExceeded{
			OrderID: fmt.Sprintf("order-%d", i+1), Amount: money(t, amount), Available: money(t, "USD0.00"), Held: true, HoldUntil: holdUntil(),
		})
	}
	return events
}

func TestReview(t *testing.T) {
	t.Parallel()
	now := holdUntil().Add(-time.Minute)
	for name, test := range map[string]struct {
		limit   string
		amounts []string
		now     time.Time
		want    []string
	}{
		"the oldest first":                        {"USD100.00", []string{"USD60.00", "USD60.00", "USD40.00"}, now, []string{"order-1", "order-3"}},
		"a younger one, if the oldest is too big": {"USD100.00", []string{"USD100.01", "USD100.00"}, now, []string{"order-2"}},
		"none that fits":                          {"USD10.00", []string{"USD10.01"}, now, nil},
		"none in another currency":                {"USD100.00", []string{"EUR1.00"}, now, nil},
		"none whose hold has ended":               {"USD100.00", []string{"USD1.00"}, holdUntil(), nil},
		"none":                                    {"USD100.00", nil, now, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := given(t, onHold(t, test.limit, test.amounts...)...)
			require.Equal(t, test.want != nil, account.ReviewDue(test.now))
			reviewed, events, err := account.Review("event-1", test.now)
			require.NoError(t, err)
			require.Equal(t, credit.Reviewed{Orders: test.want}, reviewed)
			require.Len(t, events, len(test.want))
			for i, event := range events {
				reserved := event.(credit.Reserved)
				require.Equal(t, []string{test.want[i], "event-1", ""}, []string{reserved.OrderID, reserved.FreedBy, reserved.ApprovedBy})
				require.NoError(t, account.Apply(event))
			}
			require.Zero(t, account.ReservedByApproval().Minor)
			reviewed, events, err = account.Review("event-2", test.now)
			require.NoError(t, err)
			require.Zero(t, reviewed, "another event finds nothing left")
			require.Empty(t, events)
		})
	}
}

func TestReview_WithoutEvent(t *testing.T) {
	t.Parallel()
	_, _, err := given(t).Review("", time.Now())
	require.ErrorIs(t, err, credit.ErrNoReason)
}

func TestReview_IsBounded(t *testing.T) {
	t.Parallel()
	var amounts []string
	for range credit.MaxReviewed + 1 {
		amounts = append(amounts, "USD1.00")
	}
	account := given(t, onHold(t, "USD100.00", amounts...)...)
	for _, want := range []credit.Reviewed{{More: true}, {}} {
		reviewed, events, err := account.Review("event-1", holdUntil().Add(-time.Minute))
		require.NoError(t, err)
		require.Equal(t, want.More, reviewed.More)
		require.LessOrEqual(t, len(events), credit.MaxReviewed)
		for _, event := range events {
			require.NoError(t, account.Apply(event))
		}
	}
	reviewed, _, err := account.Review("event-1", holdUntil())
	require.NoError(t, err)
	require.Len(t, reviewed.Orders, credit.MaxReviewed+1, "what was reserved is returned again")
}

// A released order is not returned by a repeated review: it is closed.
func TestReview_AfterRelease(t *testing.T) {
	t.Parallel()
	account := given(t, onHold(t, "USD100.00", "USD60.00")...)
	_, events, err := account.Review("event-1", holdUntil().Add(-time.Minute))
	require.NoError(t, err)
	require.NoError(t, account.Apply(events[0]))
	_, events, err = account.Release("order-1", money(t, "USD0.00"), credit.Cause{Reason: "CANCELLED"})
	require.NoError(t, err)
	require.NoError(t, account.Apply(events[0]))
	reviewed, events, err := account.Review("event-1", holdUntil().Add(-time.Minute))
	require.NoError(t, err)
	require.Zero(t, reviewed)
	require.Empty(t, events)
}

// The end of a hold leaves what a review has reserved. So does a decline: the account does
// not know whether the order has gone on since.
func TestReview_ThenTheHoldEnds(t *testing.T) {
	t.Parallel()
	for cause, want := range map[credit.Cause]credit.Verdict{
		{Reason: "HOLD_EXPIRED", HeldOnly: true}:                        credit.VerdictReserved,
		{Reason: "CREDIT_DECLINED", DeclinedBy: "op-1", HeldOnly: true}: credit.VerdictReserved,
		{Reason: "CREDIT_DECLINED", DeclinedBy: "op-1"}:                 credit.VerdictReleased,
		{Reason: "CANCELLED"}:                                           credit.VerdictReleased,
	} {
		account := given(t, onHold(t, "USD100.00", "USD60.00")...)
		_, events, err := account.Review("event-1", holdUntil().Add(-time.Minute))
		require.NoError(t, err)
		require.NoError(t, account.Apply(events[0]))
		decision, _, err := account.Draft().Release("order-1", money(t, "USD0.00"), cause)
		require.NoError(t, err)
		require.Equal(t, want, decision.Verdict, cause.Reason)
	}
}

func TestApply_ReviewedReservation(t *testing.T) {
	t.Parallel()
	held := onHold(t, "USD100.00", "USD60.00")
	for name, test := range map[string]struct {
		given []credit.Event
		event credit.Reserved
	}{
		"of an order that was not on hold": {held, credit.Reserved{OrderID: "order-9", Amount: money(t, "USD1.00"), FreedBy: "event-1"}},
		"that was approved too":            {held, credit.Reserved{OrderID: "order-1", Amount: money(t, "USD60.00"), FreedBy: "event-1", ApprovedBy: "op"}},
		"of another amount":                {held, credit.Reserved{OrderID: "order-1", Amount: money(t, "USD6.00"), FreedBy: "event-1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.ErrorIs(t, given(t, test.given...).Apply(test.event), credit.ErrHistory)
		})
	}
}
