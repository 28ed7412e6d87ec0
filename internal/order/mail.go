package order

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// maxEmailBytes is the longest address there can be: 64 bytes, an @ and 255 bytes.
const maxEmailBytes = 320

// emailAddress returns the address that a string holds, without the white space around it and with its domain as DNS has
// it: in lower case, and in punycode where it goes beyond ASCII. It reports whether the string may be an address: exactly one
// @, at most 320 bytes, no control characters. The rest is the provider's to judge, and fails the email and not the order.
func emailAddress(s string) (string, bool) {
	s = strings.TrimSpace(s)
	if len(s) > maxEmailBytes || strings.Count(s, "@") != 1 || strings.ContainsFunc(s, unicode.IsControl) {
		return "", false
	}
	local, domain, _ := strings.Cut(s, "@")
	if address := local + "@" + asciiDomain(domain); len(address) <= maxEmailBytes {
		return address, true
	}
	return s, true
}

// asciiDomain returns a domain as it is looked up, or in lower case if it is none.
func asciiDomain(domain string) string {
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return strings.ToLower(domain)
}
