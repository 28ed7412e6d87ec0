package credit_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// Short names for the events and decisions of the scenarios below. Amounts are those of
// the orders, limits those of the account.

func opened(t require.TestingT, limit string) credit.Event {
	return credit.Opened{CustomerID: customer, Limit: money(t, limit)}
}

func reserved(t require.TestingT, id, amount string) credit.Event {
	return credit.Reserved{OrderID: id, Amount: money(t, amount)}
}

func approved(t require.TestingT, id, amount string) credit.Event {
	return credit.Reserved{OrderID: id, Amount: money(t, amount), ApprovedBy: "alice"}
}

func exceeded(t require.TestingT, id, amount, available string, held bool) credit.Event {
	event := credit.LimitExceeded{OrderID: id, Amount: money(t, amount), Available: money(t, available), Held: held}
	if held {
		event.HoldUntil = holdUntil()
	}
	return event
}

func released(t require.TestingT, id, amount, reason string) credit.Event {
	return credit.Released{OrderID: id, Amount: money(t, amount), Reason: reason}
}

func decided(t require.TestingT, verdict credit.Verdict, reason, amount string) credit.Decision {
	decision := credit.Decision{Verdict: verdict, Reason: reason, Amount: money(t, amount)}
	if verdict == credit.VerdictHeld {
		decision.HoldUntil = holdUntil()
	}
	return decision
}

func reserve(t require.TestingT, id, amount string, terms credit.Terms) command {
	return func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Reserve(id, money(t, amount), terms)
	}
}

func approve(t require.TestingT, id, amount string, terms credit.Terms) command {
	return func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Approve(id, money(t, amount), "alice", terms)
	}
}

func release(id, currency, reason string) command {
	return func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Release(id, order.Zero(currency), credit.Cause{Reason: reason})
	}
}

func endHold(id, currency string) command {
	return func(a *credit.Account) (credit.Decision, []credit.Event, error) {
		return a.Release(id, order.Zero(currency), credit.Cause{Reason: "HOLD_EXPIRED", HeldOnly: true})
	}
}

func events(events ...credit.Event) []credit.Event { return events }

func TestReserve_OpenedAccount(t *testing.T) {
	t.Parallel()
	open, hold := terms(t, credit.UnknownOpen, false), terms(t, credit.UnknownOpen, true)
	history := events(opened(t, "USD1000.00"), reserved(t, "order-0", "USD400.00"))
	runAll(t, map[string]scenario{
		"an amount within the limit is reserved": {
			given: history, when: reserve(t, "order-1", "USD1.00", open),
			then: outcome{decided(t, "reserved", "", "USD1.00"), events(reserved(t, "order-1", "USD1.00")), nil},
		},
		"an amount equal to the available credit is reserved": {
			given: history, when: reserve(t, "order-1", "USD600.00", open),
			then: outcome{decided(t, "reserved", "", "USD600.00"), events(reserved(t, "order-1", "USD600.00")), nil},
		},
		"a cent more is refused without a hold time": {
			given: history, when: reserve(t, "order-1", "USD600.01", open),
			then: outcome{
				decided(t, "refused", "INSUFFICIENT_CREDIT", "USD600.01"),
				events(exceeded(t, "order-1", "USD600.01", "USD600.00", false)), nil,
			},
		},
		"a cent more is held with a hold time": {
			given: history, when: reserve(t, "order-1", "USD600.01", hold),
			then: outcome{
				decided(t, "held", "INSUFFICIENT_CREDIT", "USD600.01"),
				events(exceeded(t, "order-1", "USD600.01", "USD600.00", true)), nil,
			},
		},
		"another currency is refused even with a hold time": {
			given: history, when: reserve(t, "order-1", "EUR1.00", hold),
			then: outcome{
				decided(t, "refused", "CURRENCY_MISMATCH", "EUR1.00"),
				events(exceeded(t, "order-1", "EUR1.00", "USD600.00", false)), nil,
			},
		},
		"a released amount is available again": {
			given: append(history, released(t, "order-0", "USD400.00", "paid")), when: reserve(t, "order-1", "USD1000.00", open),
			then: outcome{decided(t, "reserved", "", "USD1000.00"), events(reserved(t, "order-1", "USD1000.00")), nil},
		},
		"nothing is available below a lowered limit": {
			given: append(history, credit.LimitChanged{CustomerID: customer, Limit: money(t, "USD10.00")}),
			when:  reserve(t, "order-1", "USD0.01", open),
			then: outcome{
				decided(t, "refused", "INSUFFICIENT_CREDIT", "USD0.01"),
				events(exceeded(t, "order-1", "USD0.01", "USD0.00", false)), nil,
			},
		},
		"the policy for unknown customers does not apply to known ones": {
			given: history, when: reserve(t, "order-1", "USD1.00", terms(t, credit.UnknownReject, false)),
			then: outcome{decided(t, "reserved", "", "USD1.00"), events(reserved(t, "order-1", "USD1.00")), nil},
		},
		"an approved amount counts against the limit": {
			given: events(opened(t, "USD1000.00"), exceeded(t, "order-0", "USD1500.00", "USD1000.00", true), approved(t, "order-0", "USD1500.00")),
			when:  reserve(t, "order-1", "USD0.01", open),
			then: outcome{
				decided(t, "refused", "INSUFFICIENT_CREDIT", "USD0.01"),
				events(exceeded(t, "order-1", "USD0.01", "USD0.00", false)), nil,
			},
		},
	})
}

func TestReserve_UnknownCustomer(t *testing.T) {
	t.Parallel()
	unknown := func(held bool) []credit.Event { return events(exceeded(t, "order-1", "USD5.00", "USD0.00", held)) }
	runAll(t, map[string]scenario{
		"open opens an account with the default limit": {
			when: reserve(t, "order-1", "USD1000.00", terms(t, credit.UnknownOpen, false)),
			then: outcome{
				decided(t, "reserved", "", "USD1000.00"),
				events(opened(t, "USD1000.00"), reserved(t, "order-1", "USD1000.00")), nil,
			},
		},
		"the zero policy is open": {
			when: reserve(t, "order-1", "EUR800.00", terms(t, "", false)),
			then: outcome{
				decided(t, "reserved", "", "EUR800.00"),
				events(opened(t, "EUR800.00"), reserved(t, "order-1", "EUR800.00")), nil,
			},
		},
		"open and over the limit": {
			when: reserve(t, "order-1", "EUR800.01", terms(t, credit.UnknownOpen, true)),
			then: outcome{
				decided(t, "held", "INSUFFICIENT_CREDIT", "EUR800.01"),
				events(opened(t, "EUR800.00"), exceeded(t, "order-1", "EUR800.01", "EUR800.00", true)), nil,
			},
		},
		"hold keeps the order for an operator": {
			when: reserve(t, "order-1", "USD5.00", terms(t, credit.UnknownHold, true)),
			then: outcome{decided(t, "held", "UNKNOWN_CUSTOMER", "USD5.00"), unknown(true), nil},
		},
		"hold without a hold time refuses": {
			when: reserve(t, "order-1", "USD5.00", terms(t, credit.UnknownHold, false)),
			then: outcome{decided(t, "refused", "UNKNOWN_CUSTOMER", "USD5.00"), unknown(false), nil},
		},
		"reject refuses even with a hold time": {
			when: reserve(t, "order-1", "USD5.00", terms(t, credit.UnknownReject, true)),
			then: outcome{decided(t, "refused", "UNKNOWN_CUSTOMER", "USD5.00"), unknown(false), nil},
		},
		"an order refused before stays refused when the account is opened": {
			given: append(unknown(false), opened(t, "USD1000.00")),
			when:  reserve(t, "order-1", "USD5.00", terms(t, credit.UnknownOpen, false)),
			then:  outcome{decided(t, "refused", "UNKNOWN_CUSTOMER", "USD5.00"), nil, nil},
		},
	})
}

func TestReserve_Decided(t *testing.T) {
	t.Parallel()
	asked := reserve(t, "order-1", "USD5.00", terms(t, credit.UnknownOpen, true))
	account := opened(t, "USD10.00")
	runAll(t, map[string]scenario{
		"reserved": {
			given: events(account, reserved(t, "order-1", "USD5.00")), when: asked,
			then: outcome{decided(t, "reserved", "", "USD5.00"), nil, nil},
		},
		"reserved with another amount": {
			given: events(account, reserved(t, "order-1", "USD4.00")), when: asked,
			then: outcome{decided(t, "reserved", "", "USD4.00"), nil, nil},
		},
		"refused, although it would fit now": {
			given: events(account, exceeded(t, "order-1", "USD5.00", "USD1.00", false)), when: asked,
			then: outcome{decided(t, "refused", "INSUFFICIENT_CREDIT", "USD5.00"), nil, nil},
		},
		"held, although it would fit now": {
			given: events(account, exceeded(t, "order-1", "USD5.00", "USD1.00", true)), when: asked,
			then: outcome{decided(t, "held", "INSUFFICIENT_CREDIT", "USD5.00"), nil, nil},
		},
		"released": {
			given: events(account, reserved(t, "order-1", "USD5.00"), released(t, "order-1", "USD5.00", "CANCELLED")), when: asked,
			then: outcome{decided(t, "released", "CANCELLED", "USD5.00"), nil, nil},
		},
		"released before it was decided": {
			given: events(released(t, "order-1", "USD0.00", "CANCELLED")), when: asked,
			then: outcome{decided(t, "released", "CANCELLED", "USD0.00"), nil, nil},
		},
	})
}

func TestApprove(t *testing.T) {
	t.Parallel()
	open := terms(t, credit.UnknownOpen, true)
	asked := approve(t, "order-1", "USD15.00", open)
	held := exceeded(t, "order-1", "USD15.00", "USD10.00", true)
	runAll(t, map[string]scenario{
		"a held order is reserved outside the rule": {
			given: events(opened(t, "USD10.00"), held), when: asked,
			then: outcome{decided(t, "reserved", "", "USD15.00"), events(approved(t, "order-1", "USD15.00")), nil},
		},
		"an unknown customer's account is opened first": {
			given: events(exceeded(t, "order-1", "USD15.00", "USD0.00", true)), when: asked,
			then: outcome{
				decided(t, "reserved", "", "USD15.00"),
				events(opened(t, "USD1000.00"), approved(t, "order-1", "USD15.00")), nil,
			},
		},
		"an account opened in another currency meanwhile refuses it": {
			given: events(exceeded(t, "order-1", "USD15.00", "USD0.00", true), opened(t, "EUR100.00")), when: asked,
			then: outcome{
				decided(t, "refused", "CURRENCY_MISMATCH", "USD15.00"),
				events(exceeded(t, "order-1", "USD15.00", "EUR100.00", false)), nil,
			},
		},
		"a reserved order stays reserved": {
			given: events(opened(t, "USD100.00"), reserved(t, "order-1", "USD15.00")), when: asked,
			then: outcome{decided(t, "reserved", "", "USD15.00"), nil, nil},
		},
		"a refused order stays refused": {
			given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD15.00", "USD10.00", false)), when: asked,
			then: outcome{decided(t, "refused", "INSUFFICIENT_CREDIT", "USD15.00"), nil, nil},
		},
		"a released order stays released": {
			given: events(opened(t, "USD10.00"), held, released(t, "order-1", "USD0.00", "HOLD_EXPIRED")), when: asked,
			then: outcome{decided(t, "released", "HOLD_EXPIRED", "USD0.00"), nil, nil},
		},
		"an undecided order cannot be approved": {
			given: events(opened(t, "USD10.00")), when: asked, then: outcome{err: credit.ErrNotHeld},
		},
		"the approved amount must be the held amount": {
			given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD16.00", "USD10.00", true)), when: asked,
			then: outcome{err: credit.ErrOtherAmount},
		},
		"reservations must not overflow": {
			given: events(
				opened(t, "USD92233720368547758.07"), reserved(t, "order-0", "USD92233720368547748.07"),
				exceeded(t, "order-1", "USD15.00", "USD10.00", true),
			),
			when: asked, then: outcome{err: credit.ErrTooMuch},
		},
		"an approver is required": {
			given: events(opened(t, "USD10.00"), held),
			when: func(a *credit.Account) (credit.Decision, []credit.Event, error) {
				return a.Approve("order-1", money(t, "USD15.00"), "", open)
			},
			then: outcome{err: credit.ErrNoReason},
		},
	})
}

func TestRestore(t *testing.T) {
	t.Parallel()
	asked := func(terms credit.Terms) command {
		return func(a *credit.Account) (credit.Decision, []credit.Event, error) {
			return a.Restore("order-1", money(t, "USD15.00"), "alice", terms)
		}
	}
	open := asked(terms(t, credit.UnknownOpen, true))
	runAll(t, map[string]scenario{
		"what fits is reserved by the rule": {
			given: events(opened(t, "USD20.00")), when: open,
			then: outcome{decided(t, "reserved", "", "USD15.00"), events(reserved(t, "order-1", "USD15.00")), nil},
		},
		"what does not fit any more is held, and approved": {
			given: events(opened(t, "USD20.00"), reserved(t, "order-0", "USD10.00")), when: open,
			then: outcome{
				decided(t, "reserved", "", "USD15.00"),
				events(exceeded(t, "order-1", "USD15.00", "USD10.00", true), approved(t, "order-1", "USD15.00")), nil,
			},
		},
		"what is held is approved": {
			given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD15.00", "USD10.00", true)), when: open,
			then: outcome{decided(t, "reserved", "", "USD15.00"), events(approved(t, "order-1", "USD15.00")), nil},
		},
		"an unknown customer's account is opened, whatever the policy": {
			when: asked(terms(t, credit.UnknownReject, true)),
			then: outcome{
				decided(t, "reserved", "", "USD15.00"),
				events(exceeded(t, "order-1", "USD15.00", "USD0.00", true), opened(t, "USD1000.00"), approved(t, "order-1", "USD15.00")), nil,
			},
		},
		"what is released stays released": {
			given: events(opened(t, "USD10.00"), released(t, "order-1", "USD0.00", "paid")), when: open,
			then: outcome{decision: decided(t, "released", "paid", "USD0.00")},
		},
	})
}

func TestRelease(t *testing.T) {
	t.Parallel()
	asked := release("order-1", "USD", "CANCELLED")
	nothing := outcome{decided(t, "released", "CANCELLED", "USD0.00"), events(released(t, "order-1", "USD0.00", "CANCELLED")), nil}
	runAll(t, map[string]scenario{
		"a reserved amount is freed": {
			given: events(opened(t, "USD10.00"), reserved(t, "order-1", "USD5.00")), when: asked,
			then: outcome{decided(t, "released", "CANCELLED", "USD5.00"), events(released(t, "order-1", "USD5.00", "CANCELLED")), nil},
		},
		"an approved amount is freed": {
			given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD50.00", "USD10.00", true), approved(t, "order-1", "USD50.00")),
			when:  asked,
			then:  outcome{decided(t, "released", "CANCELLED", "USD50.00"), events(released(t, "order-1", "USD50.00", "CANCELLED")), nil},
		},
		"before the account exists":  {when: asked, then: nothing},
		"before it was decided":      {given: events(opened(t, "USD10.00")), when: asked, then: nothing},
		"of a held order":            {given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD50.00", "USD10.00", true)), when: asked, then: nothing},
		"of a refused order":         {given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD50.00", "USD10.00", false)), when: asked, then: nothing},
		"in the order's currency":    {given: events(opened(t, "EUR10.00")), when: asked, then: nothing},
		"of an unknown, held order":  {given: events(exceeded(t, "order-1", "USD50.00", "USD0.00", true)), when: asked, then: nothing},
		"once more, for what it was": {given: events(released(t, "order-1", "USD0.00", "paid")), when: asked, then: outcome{decision: decided(t, "released", "paid", "USD0.00")}},
		"of a held order only": {
			given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD50.00", "USD10.00", true)), when: endHold("order-1", "USD"),
			then: outcome{decided(t, "released", "HOLD_EXPIRED", "USD0.00"), events(released(t, "order-1", "USD0.00", "HOLD_EXPIRED")), nil},
		},
		"of a held order only, which was approved": {
			given: events(opened(t, "USD10.00"), exceeded(t, "order-1", "USD50.00", "USD10.00", true), approved(t, "order-1", "USD50.00")),
			when:  endHold("order-1", "USD"), then: outcome{decision: decided(t, "reserved", "", "USD50.00")},
		},
		"without a reason":       {when: release("order-1", "USD", ""), then: outcome{err: credit.ErrNoReason}},
		"without a currency":     {when: release("order-1", "", "paid"), then: outcome{err: credit.ErrInvalidAmount}},
		"of an invalid order id": {when: release("invoice-1", "USD", "paid"), then: outcome{err: fmt.Errorf("order id: %w", order.ErrInvalidID)}},
	})
}

func TestReserve_Invalid(t *testing.T) {
	t.Parallel()
	open := terms(t, credit.UnknownOpen, false)
	account := credit.NewAccount(customer)
	for _, amount := range []order.Money{{}, order.Zero("USD"), {Minor: -1, Currency: "USD"}, {Minor: 1}} {
		_, events, err := account.Reserve("order-1", amount, open)
		require.ErrorIs(t, err, credit.ErrInvalidAmount)
		require.Empty(t, events)
	}
	_, _, err := account.Reserve("invoice-1", money(t, "USD1.00"), open)
	require.ErrorIs(t, err, order.ErrInvalidID)
}

func TestReserve_NoDefaultLimit(t *testing.T) {
	t.Parallel()
	limits, err := credit.ParseLimits("EUR=800.00")
	require.NoError(t, err)
	account := credit.NewAccount(customer)
	_, _, err = account.Reserve("order-1", money(t, "USD1.00"), credit.Terms{Limits: limits})
	require.ErrorIs(t, err, credit.ErrNoLimit)

	require.NoError(t, account.Apply(exceeded(t, "order-1", "USD1.00", "USD0.00", true)))
	_, _, err = account.Approve("order-1", money(t, "USD1.00"), "alice", credit.Terms{Limits: limits})
	require.ErrorIs(t, err, credit.ErrNoLimit)
}

func TestOpenAndChangeLimit(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		given  []credit.Event
		change func(*credit.Account, order.Money) ([]credit.Event, error)
		limit  string
		want   []credit.Event
		err    error
	}{
		"open":                       {nil, (*credit.Account).Open, "USD5.00", events(opened(t, "USD5.00")), nil},
		"open with no credit at all": {nil, (*credit.Account).Open, "USD0.00", events(opened(t, "USD0.00")), nil},
		"open the same again":        {events(opened(t, "USD5.00")), (*credit.Account).Open, "USD5.00", nil, nil},
		"open again differently":     {events(opened(t, "USD5.00")), (*credit.Account).Open, "USD6.00", nil, credit.ErrAlreadyOpened},
		"open after a release":       {events(released(t, "order-1", "EUR0.00", "x")), (*credit.Account).Open, "USD5.00", events(opened(t, "USD5.00")), nil},
		"change":                     {events(opened(t, "USD5.00")), (*credit.Account).ChangeLimit, "USD6.00", events(credit.LimitChanged{CustomerID: customer, Limit: money(t, "USD6.00")}), nil},
		"change to the same":         {events(opened(t, "USD5.00")), (*credit.Account).ChangeLimit, "USD5.00", nil, nil},
		"change before it is opened": {nil, (*credit.Account).ChangeLimit, "USD5.00", nil, credit.ErrNotOpened},
		"change to another currency": {events(opened(t, "USD5.00")), (*credit.Account).ChangeLimit, "EUR5.00", nil, credit.ErrOtherCurrency},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := test.change(given(t, test.given...), money(t, test.limit))
			require.Equal(t, test.err, err)
			require.Equal(t, test.want, got)
		})
	}
}

func TestOpenAndChangeLimit_InvalidAmount(t *testing.T) {
	t.Parallel()
	for _, limit := range []order.Money{{}, {Minor: 5}, {Minor: -5, Currency: "USD"}} {
		_, err := credit.NewAccount(customer).Open(limit)
		require.ErrorIs(t, err, credit.ErrInvalidAmount)
		_, err = given(t, opened(t, "USD1.00")).ChangeLimit(limit)
		require.ErrorIs(t, err, credit.ErrInvalidAmount)
	}
}

func TestAccount_Overflow(t *testing.T) {
	t.Parallel()
	largest := order.Money{Minor: math.MaxInt64, Currency: "USD"}
	account := given(t, credit.Opened{CustomerID: customer, Limit: largest})
	decision, events, err := account.Reserve("order-1", largest, credit.Terms{})
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, decision.Verdict)
	require.NoError(t, account.Apply(events[0]))
	require.Equal(t, largest, account.Reserved())
	require.NoError(t, account.Apply(credit.LimitChanged{CustomerID: customer, Limit: order.Zero("USD")}))
	require.Equal(t, order.Zero("USD"), account.Available())

	decision, _, err = account.Reserve("order-2", largest, credit.Terms{})
	require.NoError(t, err)
	require.Equal(t, credit.VerdictRefused, decision.Verdict)
	var impossible *credit.HistoryError
	require.ErrorAs(t, account.Apply(credit.Reserved{OrderID: "order-3", Amount: money(t, "USD0.01")}), &impossible)
}
