package activities_test

import (
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/temporal"

	"orderflow/activities"
	"orderflow/internal/credit"
	"orderflow/internal/order"
)

func TestSettleCredit(t *testing.T) {
	t.Parallel()
	usd := func(minor int64) order.Money { return order.Money{Minor: minor, Currency: "USD"} }
	pay := func(id string, minor int64) order.Paid {
		return order.Paid{OrderID: orderID, PaymentID: id, Amount: usd(minor)}
	}
	settled := func(paid, overpaid int64) activities.Settlement {
		return activities.Settlement{
			Status: activities.SettlementSettled, Verdict: credit.VerdictReleased, Reason: credit.ReasonPaid, Amount: &total,
			Total: total, Paid: usd(paid), Overpaid: usd(overpaid),
		}
	}
	closed := settled(1800, 0)
	closed.Status, closed.Reason = activities.SettlementClosed, "CANCELLED"
	for name, test := range map[string]struct {
		payments []order.Paid
		reason   string // of the account's release
		want     activities.Settlement
		released credit.Cause
	}{
		"settles an order that is paid at once": {
			payments: []order.Paid{pay("a", 1800)}, want: settled(1800, 0),
			released: credit.Cause{Reason: credit.ReasonPaid, Paid: usd(1800), Overpaid: usd(0)},
		},
		"does not release an order that is paid in part": {
			payments: []order.Paid{pay("a", 1799)},
			want:     activities.Settlement{Status: activities.SettlementPartial, Total: total, Paid: usd(1799), Overpaid: order.Money{}},
		},
		"settles an order whose partial payments exceed its total": {
			payments: []order.Paid{pay("a", 900), pay("a", 900), pay("b", 1000)}, want: settled(1900, 100),
			released: credit.Cause{Reason: credit.ReasonPaid, Paid: usd(1900), Overpaid: usd(100)},
		},
		"reports that the order was closed for another reason": {
			payments: []order.Paid{pay("a", 1800)}, reason: "CANCELLED", want: closed,
			released: credit.Cause{Reason: credit.ReasonPaid, Paid: usd(1800), Overpaid: usd(0)},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			reason := credit.ReasonPaid
			if test.reason != "" {
				reason = test.reason
			}
			s := &fakeStores{
				body: placed, payments: test.payments,
				decision: credit.Decision{Verdict: credit.VerdictReleased, Reason: reason, Amount: total},
			}
			out, err := runActivity[activities.Settlement](t, s, "SettleCredit", activities.SettleCreditInput{OrderID: orderID, Source: source})
			require.NoError(t, err)
			if out.Overpaid.IsZero() { // a zero amount is omitted
				out.Overpaid, test.want.Overpaid = order.Money{}, order.Money{}
			}
			require.Equal(t, test.want, out)
			require.Equal(t, test.released, s.released)
		})
	}
	t.Run("rejects a payment that does not count", func(t *testing.T) {
		t.Parallel()
		s := &fakeStores{body: placed, payments: []order.Paid{{PaymentID: "a", Amount: order.Money{Minor: 1800, Currency: "EUR"}}}}
		_, err := runActivity[activities.Settlement](t, s, "SettleCredit", activities.SettleCreditInput{OrderID: orderID, Source: source})
		var application *temporal.ApplicationError
		require.ErrorAs(t, err, &application)
		require.Equal(t, "PAYMENT_REFUSED", application.Type())
		require.True(t, application.NonRetryable())
		require.Zero(t, s.released)
	})
}
