package credit_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
)

func TestAccount_Fold(t *testing.T) {
	t.Parallel()
	account := given(t,
		exceeded(t, "order-0", "USD5.00", "USD0.00", true),
		opened(t, "USD100.00"),
		reserved(t, "order-1", "USD30.00"),
		exceeded(t, "order-2", "USD200.00", "USD70.00", true),
		approved(t, "order-2", "USD200.00"),
		credit.LimitChanged{CustomerID: customer, Limit: money(t, "USD500.00")},
	)
	require.Equal(t, customer, account.CustomerID())
	require.True(t, account.Opened())
	require.Equal(t, "USD500.00", account.Limit().String())
	require.Equal(t, "USD230.00", account.Reserved().String())
	require.Equal(t, "USD200.00", account.ReservedByApproval().String())
	require.Equal(t, "USD270.00", account.Available().String())

	require.NoError(t, account.Apply(released(t, "order-2", "USD200.00", "paid")))
	require.Equal(t, "USD0.00", account.ReservedByApproval().String())
	require.Equal(t, "USD470.00", account.Available().String())
	decision, found := account.Decision("order-0")
	require.True(t, found)
	require.Equal(t, decided(t, "held", "UNKNOWN_CUSTOMER", "USD5.00"), decision)
	_, found = account.Decision("order-9")
	require.False(t, found)
}

func TestAccount_NotOpened(t *testing.T) {
	t.Parallel()
	account := credit.NewAccount(customer)
	require.False(t, account.Opened())
	require.Zero(t, account.Limit())
	require.Zero(t, account.Available())
	require.Zero(t, account.Reserved())
}

func TestApply_ImpossibleHistory(t *testing.T) {
	t.Parallel()
	account := opened(t, "USD100.00")
	held, refused := exceeded(t, "order-1", "USD200.00", "USD100.00", true), exceeded(t, "order-1", "USD200.00", "USD100.00", false)
	tests := map[string]struct {
		given []credit.Event
		event credit.Event
		want  string
	}{
		"opened twice":                {events(account), account, "impossible credit-account-opened: it was opened before"},
		"opened for another customer": {nil, credit.Opened{CustomerID: "customer-8", Limit: money(t, "USD1.00")}, "impossible credit-account-opened: it is another customer's"},
		"opened without a limit":      {nil, credit.Opened{CustomerID: customer}, "impossible credit-account-opened: it has no limit"},
		"limit before it is opened": {nil, credit.LimitChanged{CustomerID: customer, Limit: money(t, "USD1.00")},
			"impossible credit-limit-changed: it is not opened"},
		"another customer's limit": {events(account), credit.LimitChanged{CustomerID: "customer-8", Limit: money(t, "USD1.00")},
			"impossible credit-limit-changed: it is another customer's"},
		"limit in another currency": {events(account), credit.LimitChanged{CustomerID: customer, Limit: money(t, "EUR1.00")},
			"impossible credit-limit-changed: it is in another currency"},
		"reserved before it is opened": {nil, reserved(t, "order-1", "USD1.00"),
			"impossible credit-reserved of order-1: the account is not in its currency"},
		"reserved in another currency": {events(account), reserved(t, "order-1", "EUR1.00"),
			"impossible credit-reserved of order-1: the account is not in its currency"},
		"reserved twice": {events(account, reserved(t, "order-1", "USD1.00")), reserved(t, "order-1", "USD1.00"),
			"impossible credit-reserved of order-1: it was reserved before"},
		"reserved after a refusal": {events(account, refused), reserved(t, "order-1", "USD200.00"),
			"impossible credit-reserved of order-1: it was refused before"},
		"reserved after a release": {events(account, released(t, "order-1", "USD0.00", "x")), reserved(t, "order-1", "USD1.00"),
			"impossible credit-reserved of order-1: it was released before"},
		"held and reserved by the rule": {events(account, held), reserved(t, "order-1", "USD200.00"),
			"impossible credit-reserved of order-1: what is held is reserved by approval or by a review, and only that"},
		"approved without being held": {events(account), approved(t, "order-1", "USD200.00"),
			"impossible credit-reserved of order-1: what is held is reserved by approval or by a review, and only that"},
		"approved with another amount": {events(account, held), approved(t, "order-1", "USD201.00"),
			"impossible credit-reserved of order-1: another amount was held"},
		"nothing reserved": {events(account), reserved(t, "order-1", "USD0.00"),
			"impossible credit-reserved of order-1: the reservations overflow"},
		"exceeded twice": {events(account, held), held,
			"impossible credit-limit-exceeded of order-1: it was decided before, or asks for nothing"},
		"held and then refused": {events(account, held), refused,
			"impossible credit-limit-exceeded of order-1: it was decided before, or asks for nothing"},
		"exceeded after a reservation": {events(account, reserved(t, "order-1", "USD1.00")), refused,
			"impossible credit-limit-exceeded of order-1: it was decided before, or asks for nothing"},
		"released twice": {events(released(t, "order-1", "USD0.00", "x")), released(t, "order-1", "USD0.00", "x"),
			"impossible credit-released of order-1: it was released before"},
		"released more than was reserved": {events(account, reserved(t, "order-1", "USD1.00")), released(t, "order-1", "USD2.00", "x"),
			"impossible credit-released of order-1: another amount was reserved"},
		"released something of nothing": {events(account, refused), released(t, "order-1", "USD200.00", "x"),
			"impossible credit-released of order-1: another amount was reserved"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			account := given(t, test.given...)
			err := account.Apply(test.event)
			require.EqualError(t, err, test.want)
			var impossible *credit.HistoryError
			require.ErrorAs(t, err, &impossible)
			require.Equal(t, given(t, test.given...), account, "an impossible event must change nothing")
		})
	}
}

type invented struct{}

func (invented) EventType() string { return "credit-invented" }

func TestApply_UnknownEvent(t *testing.T) {
	t.Parallel()
	require.ErrorIs(t, credit.NewAccount(customer).Apply(invented{}), credit.ErrUnknownEvent)
	require.ErrorIs(t, credit.NewAccount(customer).Apply(nil), credit.ErrUnknownEvent)
}

func TestCustomerOf(t *testing.T) {
	t.Parallel()
	customer, ok := credit.CustomerOf(credit.Stream("c1"))
	require.True(t, ok)
	require.Equal(t, "c1", customer)
	for _, stream := range []string{"order-1", "credit-", "credits-c1"} {
		_, ok := credit.CustomerOf(stream)
		require.False(t, ok, stream)
	}
}
