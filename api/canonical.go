package main

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// canonical writes a JSON value so that two values are the same bytes exactly if they say
// the same: members in one order, strings in one spelling, numbers by their value and not
// by what a float makes of it.
func canonical(value []byte) ([]byte, error) {
	var plain bytes.Buffer
	in, out := jsontext.NewDecoder(bytes.NewReader(value)), jsontext.NewEncoder(&plain)
	for {
		err := copyPlain(in, out)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	sorted := jsontext.Value(plain.Bytes())
	err := sorted.Format(jsontext.ReorderRawObjects(true))
	return sorted, err
}

// copyPlain copies the next token, or the next number by its value.
func copyPlain(in *jsontext.Decoder, out *jsontext.Encoder) error {
	if in.PeekKind() != '0' {
		token, err := in.ReadToken()
		if err != nil {
			return err
		}
		return out.WriteToken(token)
	}
	number, err := in.ReadValue()
	if err != nil {
		return err
	}
	return out.WriteValue(jsontext.Value(plainNumber(string(number))))
}

// maxExponentDigits bounds the exponents that are understood. A number with a longer one
// is compared by its spelling.
const maxExponentDigits = 9

// plainNumber spells a JSON number as its significant digits and an exponent. It costs no
// more than the number is long.
func plainNumber(number string) string {
	mantissa, power, _ := strings.Cut(strings.ToLower(number), "e")
	exponent := 0
	if power != "" {
		if len(strings.TrimLeft(power, "+-")) > maxExponentDigits {
			return number
		}
		exponent, _ = strconv.Atoi(power) // JSON, and short
	}
	mantissa, negative := strings.CutPrefix(mantissa, "-")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	digits := strings.TrimLeft(whole+fraction, "0")
	significant := strings.TrimRight(digits, "0")
	if significant == "" {
		return "0"
	}
	exponent += len(digits) - len(significant) - len(fraction)
	if negative {
		significant = "-" + significant
	}
	return significant + "e" + strconv.Itoa(exponent)
}
