package credit_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// model is an account with its stream and the decisions it returned, to be compared with
// each other.
type model struct {
	account *credit.Account
	stream  []credit.Event
	byRule  map[string]int64           // open reservations by the rule, in minor units
	settled map[string]credit.Decision // returned decisions that only a release can change
	held    []credit.LimitExceeded     // the orders on hold, oldest first
	reviews int
}

// TestAccount_Properties runs arbitrary commands for a few orders on one account, and
// some appends fail.
func TestAccount_Properties(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &model{
			account: credit.NewAccount(customer),
			byRule:  map[string]int64{}, settled: map[string]credit.Decision{},
		}
		t.Repeat(map[string]func(*rapid.T){
			"reserve": m.reserve,
			"approve": m.approve,
			"release": m.release,
			"endHold": m.endHold,
			"review":  m.review,
			"open":    m.open,
			"limit":   m.changeLimit,
			"":        m.check,
		})
	})
}

func drawOrder(t *rapid.T) string {
	return fmt.Sprintf("order-%d", rapid.IntRange(1, 6).Draw(t, "order"))
}

func drawAmount(t *rapid.T, least int64) order.Money {
	currency := rapid.SampledFrom([]string{"USD", "USD", "USD", "EUR"}).Draw(t, "currency")
	return order.Money{Minor: rapid.Int64Range(least, 1500_00).Draw(t, "amount"), Currency: currency}
}

func drawTerms(t *rapid.T) credit.Terms {
	policy := rapid.SampledFrom([]credit.UnknownPolicy{credit.UnknownOpen, credit.UnknownHold, credit.UnknownReject})
	return terms(t, policy.Draw(t, "policy"), rapid.Bool().Draw(t, "hold time"))
}

func (m *model) reserve(t *rapid.T) {
	id, amount, terms := drawOrder(t), drawAmount(t, 1), drawTerms(t)
	m.ask(t, id, func() (credit.Decision, []credit.Event, error) { return m.account.Reserve(id, amount, terms) })
}

func (m *model) approve(t *rapid.T) {
	id, terms := drawOrder(t), drawTerms(t)
	held, _ := m.account.Decision(id)
	m.ask(t, id, func() (credit.Decision, []credit.Event, error) {
		return m.account.Approve(id, held.Amount, "alice", terms)
	})
}

func (m *model) release(t *rapid.T) {
	id, reason := drawOrder(t), rapid.SampledFrom([]string{"paid", "CANCELLED"}).Draw(t, "reason")
	m.ask(t, id, func() (credit.Decision, []credit.Event, error) {
		return m.account.Release(id, order.Zero("USD"), credit.Cause{Reason: reason})
	})
}

// endHold closes an order on hold. A reserved order keeps its reservation, however it was
// made and why ever its hold ended.
func (m *model) endHold(t *rapid.T) {
	id, cause := drawOrder(t), credit.Cause{Reason: "HOLD_EXPIRED", HeldOnly: true}
	if rapid.Bool().Draw(t, "declined") {
		cause = credit.Cause{Reason: "CREDIT_DECLINED", DeclinedBy: "alice", HeldOnly: true}
	}
	before, _ := m.account.Decision(id)
	m.ask(t, id, func() (credit.Decision, []credit.Event, error) {
		decision, events, err := m.account.Release(id, order.Zero("USD"), cause)
		if before.Verdict == credit.VerdictReserved {
			require.Equal(t, before, decision)
		}
		return decision, events, err
	})
}

// review compares a review with the model: the oldest order that fits comes first, then the
// next, and each is reserved once.
func (m *model) review(t *rapid.T) {
	m.reviews++
	freedBy, now := fmt.Sprintf("event-%d", m.reviews), holdUntil().Add(-time.Hour)
	if ended := rapid.IntRange(1, 5).Draw(t, "late") == 1; ended {
		now = holdUntil()
	}
	available := m.account.Available()
	var want []string
	for _, held := range m.held {
		if now.Before(held.HoldUntil) && held.Amount.Currency == available.Currency && held.Amount.Minor <= available.Minor {
			want, available.Minor = append(want, held.OrderID), available.Minor-held.Amount.Minor
		}
	}
	require.Equal(t, len(want) > 0, m.account.ReviewDue(now))
	reviewed, events, err := m.account.Review(freedBy, now)
	require.NoError(t, err)
	require.Equal(t, want, reviewed.Orders)
	require.Len(t, events, len(want))
	m.draft(t, events)
	if rapid.IntRange(1, 10).Draw(t, "append") == 1 {
		return // the append failed: nothing was stored
	}
	m.append(t, events)
	for _, id := range want {
		decision, _ := m.account.Decision(id)
		m.settle(t, id, decision)
	}
	again, events, err := m.account.Review(freedBy, now)
	require.NoError(t, err)
	require.Equal(t, credit.Reviewed{Orders: want}, again)
	require.Empty(t, events)
	require.False(t, m.account.ReviewDue(now))
}

func (m *model) open(t *rapid.T) {
	events, err := m.account.Open(drawAmount(t, 0))
	if err == nil {
		m.append(t, events)
	}
}

func (m *model) changeLimit(t *rapid.T) {
	events, err := m.account.ChangeLimit(drawAmount(t, 0))
	if err == nil {
		m.append(t, events)
	}
}

// ask runs a command, stores the events it records, and runs it once more.
func (m *model) ask(t *rapid.T, id string, command func() (credit.Decision, []credit.Event, error)) {
	before, decidedBefore := m.account.Decision(id)
	decision, events, err := command()
	m.draft(t, events)
	if err != nil {
		require.ErrorIs(t, err, credit.ErrNotHeld)
		require.Empty(t, events)
		return
	}
	if rapid.IntRange(1, 10).Draw(t, "append") == 1 {
		return // the append failed: nothing was stored
	}
	if len(events) == 0 {
		require.True(t, decidedBefore)
		require.Equal(t, before, decision)
	}
	m.append(t, events)
	m.settle(t, id, decision)
	again, nothing, err := command()
	require.NoError(t, err)
	require.Equal(t, decision, again)
	require.Empty(t, nothing)
}

// draft applies events to a draft of a draft, which must come to the same as the account
// that the events are stored in, and must leave the account unchanged.
func (m *model) draft(t *rapid.T, events []credit.Event) {
	draft := m.account.Draft()
	for i, event := range events {
		require.NoError(t, draft.Apply(event))
		if i == 0 {
			draft = draft.Draft()
		}
	}
	require.Equal(t, given(t, m.stream...), m.account)
	after := given(t, append(slices.Clone(m.stream), events...)...)
	require.Equal(t, after.Limit(), draft.Limit())
	require.Equal(t, after.Reserved(), draft.Reserved())
	require.Equal(t, after.ReservedByApproval(), draft.ReservedByApproval())
	now := holdUntil().Add(-time.Hour)
	wantReview, wantEvents, err := after.Review("drafted", now)
	require.NoError(t, err)
	review, reserved, err := draft.Review("drafted", now)
	require.NoError(t, err)
	require.Equal(t, wantReview, review)
	require.Equal(t, wantEvents, reserved)
	for n := range 7 {
		want, decided := after.Decision(fmt.Sprintf("order-%d", n))
		got, found := draft.Decision(fmt.Sprintf("order-%d", n))
		require.Equal(t, decided, found)
		require.Equal(t, want, got)
	}
}

// settle records a decision: a settled decision changes only by a release, and a release
// is permanent.
func (m *model) settle(t *rapid.T, id string, decision credit.Decision) {
	before, settled := m.settled[id]
	if settled && decision.Verdict != credit.VerdictReleased || before.Verdict == credit.VerdictReleased {
		require.Equal(t, before, decision)
	}
	if decision.Verdict != credit.VerdictHeld {
		m.settled[id] = decision
	}
}

// append stores events as bytes and applies what it decodes from them.
func (m *model) append(t *rapid.T, events []credit.Event) {
	for _, event := range events {
		data, err := credit.EncodeEvent(event)
		require.NoError(t, err)
		read, err := credit.DecodeEvent(event.EventType(), data)
		require.NoError(t, err)
		require.NoError(t, m.account.Apply(read))
		m.stream = append(m.stream, read)
		m.follow(t, read)
	}
}

// follow checks that a reservation made by the rule fits the limit at that time.
func (m *model) follow(t *rapid.T, event credit.Event) {
	switch e := event.(type) {
	case credit.LimitExceeded:
		m.leaveHold(e.OrderID)
		if e.Held {
			m.held = append(m.held, e)
		}
	case credit.Reserved:
		m.leaveHold(e.OrderID)
		if e.ApprovedBy == "" {
			m.byRule[e.OrderID] = e.Amount.Minor
			require.LessOrEqual(t, m.account.Reserved().Minor, m.account.Limit().Minor)
		}
	case credit.Released:
		m.leaveHold(e.OrderID)
		delete(m.byRule, e.OrderID)
	}
}

func (m *model) leaveHold(id string) {
	m.held = slices.DeleteFunc(m.held, func(e credit.LimitExceeded) bool { return e.OrderID == id })
}

// check compares the account with the model and with a new account folded from the
// stream.
func (m *model) check(t *rapid.T) {
	require.Equal(t, given(t, m.stream...), m.account)
	sum := int64(0)
	for _, amount := range m.byRule {
		sum += amount
	}
	require.Equal(t, sum, m.account.Reserved().Minor-m.account.ReservedByApproval().Minor)
	require.GreaterOrEqual(t, m.account.Available().Minor, int64(0))
	require.GreaterOrEqual(t, m.account.ReservedByApproval().Minor, int64(0))
	for id, want := range m.settled {
		got, found := m.account.Decision(id)
		require.True(t, found)
		require.Equal(t, want, got)
	}
}
