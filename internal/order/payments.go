package order

import (
	"errors"
	"math"
)

// The reasons why a payment does not count.
var (
	ErrPaymentConflict = errors.New("its payment id was used before with another amount")
	ErrPaymentCurrency = errors.New("it is not in the order's currency")
	ErrPaymentTooMuch  = errors.New("the sum of the payments overflows")
)

// Balance is the total of an order and the amount paid for it.
type Balance struct {
	Total Money
	Paid  Money // the sum of the payments that count
}

// Covered reports whether the payments cover the order.
func (b Balance) Covered() bool { return b.Paid.Minor >= b.Total.Minor }

// Overpaid returns the amount by which the payments exceed the order's total, in its
// currency.
func (b Balance) Overpaid() Money {
	return Money{Minor: max(0, b.Paid.Minor-b.Total.Minor), Currency: b.Total.Currency}
}

// AddPayments adds up the payments of an order, given in stream order. Of several
// payments with the same payment id the first counts. A payment does not count if it
// contradicts an earlier one with its id, is in another currency, or makes the sum
// overflow. The error is that of the last payment. It is nil if the last payment counts
// or repeats an earlier one.
func AddPayments(total Money, payments []Paid) (Balance, error) {
	balance := Balance{Total: total, Paid: Zero(total.Currency)}
	counted := make(map[string]Money, len(payments))
	var fault error
	for _, p := range payments {
		first, repeated := counted[p.PaymentID]
		switch {
		case repeated && first != p.Amount:
			fault = ErrPaymentConflict
		case repeated:
			fault = nil
		case !p.Amount.SameCurrency(total):
			fault = ErrPaymentCurrency
		case p.Amount.Minor > math.MaxInt64-balance.Paid.Minor:
			fault = ErrPaymentTooMuch
		default:
			balance.Paid.Minor += p.Amount.Minor
			counted[p.PaymentID], fault = p.Amount, nil
		}
	}
	return balance, fault
}
