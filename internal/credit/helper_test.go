package credit_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/credit"
	"orderflow/internal/order"
)

const customer = "customer-7"

func money(t require.TestingT, text string) order.Money {
	parsed, err := order.ParseMoney(text)
	require.NoError(t, err)
	return parsed
}

// holdUntil returns the end of every hold in these tests.
func holdUntil() time.Time { return time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC) }

func terms(t require.TestingT, policy credit.UnknownPolicy, hold bool) credit.Terms {
	limits, err := credit.ParseLimits("1000.00,EUR=800.00")
	require.NoError(t, err)
	terms := credit.Terms{Limits: limits, UnknownCustomer: policy}
	if hold {
		terms.HoldUntil = holdUntil()
	}
	return terms
}

// given returns an account with a history.
func given(t require.TestingT, events ...credit.Event) *credit.Account {
	account := credit.NewAccount(customer)
	for _, event := range events {
		require.NoError(t, account.Apply(event))
	}
	return account
}

// outcome is the result of a command.
type outcome struct {
	decision credit.Decision
	events   []credit.Event
	err      error
}

// command is one of the account's commands, with its arguments bound.
type command func(*credit.Account) (credit.Decision, []credit.Event, error)

// scenario is a test case: given these events, when this command runs, then this is
// returned and recorded.
type scenario struct {
	given []credit.Event
	when  command
	then  outcome
}

// run runs a scenario and checks what holds for every command: the command itself changes
// nothing, the recorded events can be applied, the account then has the returned
// decision, and the repeated command returns the same decision and records nothing.
func (s scenario) run(t *testing.T) {
	t.Helper()
	account := given(t, s.given...)
	decision, events, err := s.when(account)
	require.Equal(t, s.then.err, err)
	require.Equal(t, s.then.decision, decision)
	require.Equal(t, s.then.events, events)
	require.Equal(t, given(t, s.given...), account, "a command must not change the account")
	if err != nil {
		return
	}
	for _, event := range events {
		require.NoError(t, account.Apply(event))
	}
	decision, events, err = s.when(account)
	require.NoError(t, err)
	require.Equal(t, s.then.decision, decision, "asked again")
	require.Empty(t, events, "asked again")
}

func runAll(t *testing.T, scenarios map[string]scenario) {
	t.Helper()
	for name, s := range scenarios {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}
