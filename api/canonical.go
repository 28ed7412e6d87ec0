package main

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// canonical returns a JSON value in a form that is byte for byte equal for two values
// exactly if they mean the same: members are sorted, strings have one spelling, and
// numbers compare by their decimal value, without conversion to a float.
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

// copyPlain copies the next token. It writes a number in its canonical form.
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

// maxExponentDigits limits the exponents that plainNumber parses. A number with a longer
// exponent is compared by its spelling.
const maxExponentDigits = 9

// plainNumber returns a JSON number as its significant digits and an exponent. Its cost
// is bounded by the length of the number.
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
