package streams

import (
	"bytes"
	"errors"
	"log/slog"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/correlation"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

// A panic fails its group, and later requests are decided on what the stream holds: the
// panic comes after the command has changed the cached account.
func TestCreditAccounts_Panic(t *testing.T) {
	t.Parallel()
	limits, err := credit.ParseLimits("1000.00")
	require.NoError(t, err)
	var log bytes.Buffer // read only after the group has failed
	a := NewCreditAccounts(CreditAccountsConfig{
		Client: kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL()),
		Terms:  credit.Terms{Limits: limits}, Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	amount, err := order.ParseMoney("USD600.00")
	require.NoError(t, err)
	request := func(orderID string) credit.Request {
		return credit.Request{CustomerID: "c1", OrderID: orderID, Amount: amount, Source: order.Source{Trace: correlation.Trace{CorrelationID: "c1"}}}
	}
	first, err := a.Reserve(t.Context(), request("order-1"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictReserved, first.Verdict)

	var callers sync.WaitGroup
	for range 3 {
		callers.Go(func() {
			_, err := a.decide(t.Context(), request("order-1"), "release", func(account *credit.Account) (credit.Decision, []credit.Event, error) {
				_, events, _ := account.Release("order-1", amount, credit.Cause{Reason: "paid"})
				_ = applyAll(account, events)
				panic("Jane Doe")
			})
			if !errors.Is(err, ErrPanicked) {
				t.Error(err)
			}
		})
	}
	callers.Wait()

	require.Contains(t, log.String(), "stream=credit-c1")
	require.Contains(t, log.String(), "accounts_panic_test.go")
	require.NotContains(t, log.String(), "Jane Doe")
	second, err := a.Reserve(t.Context(), request("order-2"))
	require.NoError(t, err)
	require.Equal(t, credit.VerdictRefused, second.Verdict, "order-1 is still reserved")
}
