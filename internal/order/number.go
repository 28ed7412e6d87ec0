package order

import (
	"math/big"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxPrecision   = 10 // decimals of a price or a tax rate
	maxNumberBytes = 40 // of a JSON number: no amount needs more, and longer numbers cost time
)

// parseExact parses a JSON number as an exact fraction, and otherwise returns the fault.
// An exponent may have two digits: a longer one can only be an attack.
func parseExact(raw jsontext.Value) (*big.Rat, string) {
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

// precision returns the number of decimals needed to write a value exactly.
func precision(value *big.Rat) int {
	digits, _ := value.FloatPrec()
	return digits
}

// roundHalfUp returns value × 10^digits, rounded half up. The value must not be negative.
func roundHalfUp(value *big.Rat, digits int) *big.Int {
	scaled := new(big.Rat).Mul(value, new(big.Rat).SetInt(pow10(digits)))
	scaled.Add(scaled, big.NewRat(1, 2))
	return new(big.Int).Quo(scaled.Num(), scaled.Denom())
}
