package order

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// The faults of an amount of money as text.
var (
	errMoneyForm     = errors.New("must be money like USD12.34")
	errMoneyNegative = errors.New("must not be negative")
	errMoneyCurrency = errors.New("must be in a currency of ISO 4217")
	errMoneyDecimals = errors.New("must not have more decimals than its currency")
	errMoneyTooLarge = errors.New("is too large")
)

// maxMoneyBytes limits an amount as text: far more digits than any amount of 64 bits can
// use.
const maxMoneyBytes = 64

// Money is an amount in the minor units of its currency (cents of USD, yen of JPY) and
// the currency's ISO 4217 code. In JSON it is a string like "USD4885.49", never a number.
// The zero value means that the amount is unknown.
type Money struct {
	Minor    int64
	Currency string
}

// ParseMoney parses three capital letters and a decimal number, such as USD4885.49. The
// currency must be known. The number must fit 64 bits of minor units, and must have no
// more decimals than the currency, except trailing zeros.
func ParseMoney(s string) (Money, error) {
	currency, number, err := splitMoney(s)
	if err != nil {
		return Money{}, err
	}
	digits, known := decimals(currency)
	if !known {
		return Money{}, errMoneyCurrency
	}
	whole, fraction, _ := strings.Cut(number, ".")
	fraction = strings.TrimRight(fraction, "0")
	if len(fraction) > digits {
		return Money{}, errMoneyDecimals
	}
	minor, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", digits-len(fraction)), 10, 64)
	if err != nil {
		return Money{}, errMoneyTooLarge
	}
	return Money{Minor: minor, Currency: currency}, nil
}

// splitMoney splits text of the form ^[A-Z]{3}\d+(\.\d+)?$ into currency and number.
func splitMoney(s string) (currency, number string, err error) {
	if len(s) > maxMoneyBytes {
		return "", "", errMoneyTooLarge
	}
	if len(s) < 4 || !onlyBytes(s[:3], isCapital) {
		return "", "", errMoneyForm
	}
	currency, number = s[:3], s[3:]
	unsigned, negative := strings.CutPrefix(number, "-")
	if !isPlainDecimal(unsigned) {
		return "", "", errMoneyForm
	}
	if negative {
		return "", "", errMoneyNegative
	}
	return currency, number, nil
}

// isPlainDecimal reports whether s matches \d+(\.\d+)?.
func isPlainDecimal(s string) bool {
	whole, fraction, pointed := strings.Cut(s, ".")
	return whole != "" && onlyBytes(whole, isDigit) && (!pointed || fraction != "" && onlyBytes(fraction, isDigit))
}

func isCapital(c byte) bool { return 'A' <= c && c <= 'Z' }
func isDigit(c byte) bool   { return '0' <= c && c <= '9' }

// onlyBytes reports whether every byte of s satisfies ok.
func onlyBytes(s string, ok func(byte) bool) bool {
	for i := range len(s) {
		if !ok(s[i]) {
			return false
		}
	}
	return true
}

// Zero returns the amount 0 in a currency.
func Zero(currency string) Money { return Money{Currency: currency} }

// IsZero reports whether the amount is 0, in any currency.
func (m Money) IsZero() bool { return m.Minor == 0 }

// SameCurrency reports whether two amounts are in the same currency. An order, its
// customer's account and its payments must be: nothing is converted.
func (m Money) SameCurrency(other Money) bool { return m.Currency == other.Currency }

// Decimal returns the amount without its currency, with the currency's number of
// decimals: "4885.49".
func (m Money) Decimal() string {
	digits, _ := decimals(m.Currency)
	r := new(big.Rat).SetFrac(big.NewInt(m.Minor), pow10(digits))
	return r.FloatString(digits)
}

// String returns the amount in the form that ParseMoney reads: "USD4885.49". For the zero
// value it returns "".
func (m Money) String() string {
	if m == (Money{}) {
		return ""
	}
	return m.Currency + m.Decimal()
}

// MarshalText returns the amount as String does. It returns an error for an amount that
// ParseMoney would reject.
func (m Money) MarshalText() ([]byte, error) {
	if m == (Money{}) {
		return []byte{}, nil
	}
	if _, known := decimals(m.Currency); !known {
		return nil, fmt.Errorf("write money: %w", errMoneyCurrency)
	}
	if m.Minor < 0 {
		return nil, fmt.Errorf("write money: %w", errMoneyNegative)
	}
	return []byte(m.String()), nil
}

// UnmarshalText parses the output of MarshalText. Empty text is the zero value.
func (m *Money) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*m = Money{}
		return nil
	}
	parsed, err := ParseMoney(string(text))
	if err != nil {
		return err
	}
	*m = parsed
	return nil
}

// pow10 returns 10^n.
func pow10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}
