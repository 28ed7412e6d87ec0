package order

import (
	"errors"
	"math"
)

// Why a payment does not count.
var (
	ErrPaymentConflict = errors.New("its payment id came before with another amount")
	ErrPaymentCurrency = errors.New("it is not in the order's currency")
	ErrPaymentTooMuch  = errors.New("the payments come to more than can be counted")
)

// Balance is what was paid for an order.
type Balance struct {
	Total Money
	Paid  Money // the sum of the payments that count
}

// Covered reports whether the payments cover the order.
func (b Balance) Covered() bool { return b.Paid.Minor >= b.Total.Minor }

// Overpaid returns by how much the payments exceed the order's total, in its currency.
func (b Balance) Overpaid() Money {
	return Money{Minor: max(0, b.Paid.Minor-b.Total.Minor), Currency: b.Total.Currency}
}

// AddPayments adds up the payments of an order, given in the order of its stream. Of those with one payment id the first
// counts. One that contradicts an earlier one of its id, is in another currency, or makes the sum overflow does not count;
// the error says so of the last payment, and is nil for one that counts or repeats an earlier one.
func AddPayments(total Money, payments []Paid) (Balance, error) {
	balance := Balance{Total: total, Paid: Zero(total.Currency)}
	counted := make(map[string]Money, len(payments))
	var refused error
	for _, p := range payments {
		first, repeated := counted[p.PaymentID]
		switch {
		case repeated && first != p.Amount:
			refused = ErrPaymentConflict
		case repeated:
			refused = nil
		case p.Amount.Currency != total.Currency:
			refused = ErrPaymentCurrency
		case p.Amount.Minor > math.MaxInt64-balance.Paid.Minor:
			refused = ErrPaymentTooMuch
		default:
			balance.Paid.Minor += p.Amount.Minor
			counted[p.PaymentID], refused = p.Amount, nil
		}
	}
	return balance, refused
}
