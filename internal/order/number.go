package order

import (
	"math/big"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxPrecision   = 10 // decimals of a price or a tax rate
	maxNumberBytes = 40 // of a JSON number: what would be longer is no amount, and what is longer costs time
)

// exact reads a JSON number as the fraction it is. An exponent may have two digits: more can only be meant to hurt.
func exact(raw jsontext.Value) (*big.Rat, string) {
	switch {
	case len(raw) == 0 || raw.Kind() == 'n':
		return nil, "is missing"
	case raw.Kind() != '0':
		return nil, "must be a number, is " + kindName(raw.Kind())
	case len(raw) > maxNumberBytes:
		return nil, "has too many digits"
	case !smallExponent(string(raw)):
		return nil, "has too large an exponent"
	}
	value, ok := new(big.Rat).SetString(string(raw))
	if !ok {
		return nil, "must be a number"
	}
	return value, ""
}

func smallExponent(number string) bool {
	i := strings.IndexAny(number, "eE")
	return i < 0 || len(strings.TrimLeft(number[i+1:], "+-")) <= 2
}

// precision is the number of decimals that write a value exactly.
func precision(value *big.Rat) int {
	digits, _ := value.FloatPrec()
	return digits
}

// roundHalfUp gives value × 10^digits, rounded half up. The value must not be negative.
func roundHalfUp(value *big.Rat, digits int) *big.Int {
	scaled := new(big.Rat).Mul(value, new(big.Rat).SetInt(pow10(digits)))
	scaled.Add(scaled, big.NewRat(1, 2))
	return new(big.Int).Quo(scaled.Num(), scaled.Denom())
}
