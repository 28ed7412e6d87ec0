package order

import (
	"errors"
	"strings"
)

// StreamPrefix begins the name of every order's stream, and so every order's id.
const StreamPrefix = "order-"

const (
	maxIDBytes = len(StreamPrefix) + 120
	maxCode    = 64
)

// The errors for an id that breaks a rule. Their texts are the rules: the caller puts the
// name of the id in front.
var (
	ErrInvalidID         = errors.New("must be order- and 1 to 120 of [A-Za-z0-9._-]")
	ErrInvalidIdentifier = errors.New("must be 1 to 128 bytes without control characters")
)

// Stream returns the name of an order's stream, which is the order's id.
func Stream(orderID string) string { return orderID }

// ValidID reports whether id is an order id, which is also the name of its stream and the
// id of its workflow: "order-" and 1 to 120 of [A-Za-z0-9._-].
func ValidID(id string) bool {
	rest, ok := strings.CutPrefix(id, StreamPrefix)
	return ok && rest != "" && len(id) <= maxIDBytes && onlyBytes(rest, isCodeByte)
}

// ValidCode reports whether code is 1 to 64 of [A-Za-z0-9._-], the form of reasons and
// operators' ids.
func ValidCode(code string) bool {
	return code != "" && len(code) <= maxCode && onlyBytes(code, isCodeByte)
}

// ValidIdentifier reports whether id can be a customer id or a product id: 1 to 128
// bytes, not blank, without control characters.
func ValidIdentifier(id string) bool {
	var c checker
	return c.identifier("", id) != ""
}

// ValidText reports whether text may be any other text of an event: at most 1024 bytes
// that PostgreSQL can store.
func ValidText(text string) bool {
	var c checker
	c.text("", text)
	return c.fault == nil
}

func isCodeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || isCapital(c) || isDigit(c) || c == '.' || c == '_' || c == '-'
}
