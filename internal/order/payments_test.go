package order_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
)

func TestAddPayments(t *testing.T) {
	t.Parallel()
	total := usd(100_00)
	paid := func(id string, minor int64) order.Paid { return order.Paid{PaymentID: id, Amount: usd(minor)} }
	euro := order.Paid{PaymentID: "e", Amount: order.Money{Minor: 100_00, Currency: "EUR"}}
	for name, test := range map[string]struct {
		payments       []order.Paid
		paid, overpaid int64
		covered        bool
		refused        error // of the last payment
	}{
		"no payment covers nothing":        {},
		"a part leaves the rest open":      {payments: []order.Paid{paid("a", 99_99)}, paid: 99_99},
		"parts add up":                     {payments: []order.Paid{paid("a", 40_00), paid("b", 60_00)}, paid: 100_00, covered: true},
		"parts may exceed the total":       {payments: []order.Paid{paid("a", 70_00), paid("b", 60_00)}, paid: 130_00, overpaid: 30_00, covered: true},
		"one id counts once":               {payments: []order.Paid{paid("a", 50_00), paid("a", 50_00)}, paid: 50_00},
		"another amount of an id":          {payments: []order.Paid{paid("a", 50_00), paid("a", 60_00)}, paid: 50_00, refused: order.ErrPaymentConflict},
		"a repeat after a contradiction":   {payments: []order.Paid{paid("a", 50_00), paid("a", 60_00), paid("a", 50_00)}, paid: 50_00},
		"another currency":                 {payments: []order.Paid{paid("a", 50_00), euro}, paid: 50_00, refused: order.ErrPaymentCurrency},
		"a valid one after an invalid one": {payments: []order.Paid{euro, paid("a", 100_00)}, paid: 100_00, covered: true},
		"an id used in another currency":   {payments: []order.Paid{euro, paid("e", 100_00)}, paid: 100_00, covered: true},
		"a sum that overflows":             {payments: []order.Paid{paid("a", 1), paid("b", math.MaxInt64)}, paid: 1, refused: order.ErrPaymentTooMuch},
		"the largest sum":                  {payments: []order.Paid{paid("a", math.MaxInt64)}, paid: math.MaxInt64, overpaid: math.MaxInt64 - 100_00, covered: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			balance, err := order.AddPayments(total, test.payments)
			require.ErrorIs(t, err, test.refused)
			require.Equal(t, order.Balance{Total: total, Paid: usd(test.paid)}, balance)
			require.Equal(t, usd(test.overpaid), balance.Overpaid())
			require.Equal(t, test.covered, balance.Covered())
		})
	}
}
