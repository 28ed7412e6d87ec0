package order

import "strings"

const (
	idPrefix   = "order-"
	maxIDBytes = len(idPrefix) + 120
	maxCode    = 64
)

// ValidID reports whether id is an order's id, which is also its stream's and its workflow's name: "order-" and 1 to
// 120 of [A-Za-z0-9._-].
func ValidID(id string) bool {
	rest, ok := strings.CutPrefix(id, idPrefix)
	return ok && rest != "" && len(id) <= maxIDBytes && onlyBytes(rest, isCodeByte)
}

// ValidCode reports whether code is 1 to 64 of [A-Za-z0-9._-], as reasons and operators' ids are.
func ValidCode(code string) bool {
	return code != "" && len(code) <= maxCode && onlyBytes(code, isCodeByte)
}

// ValidIdentifier reports whether id can be a customer's or a product's: 1 to 128 bytes, not blank, without control
// characters.
func ValidIdentifier(id string) bool {
	var c checker
	return c.identifier("", id) != ""
}

func isCodeByte(c byte) bool {
	return 'a' <= c && c <= 'z' || isCapital(c) || isDigit(c) || c == '.' || c == '_' || c == '-'
}
