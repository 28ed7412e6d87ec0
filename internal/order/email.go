package order

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
)

// maxEmailBytes is the length of the longest possible address: 64 bytes, an @ and 255
// bytes.
const maxEmailBytes = 320

// emailAddress returns the address in s, without the white space around it and with its
// domain in DNS form: in lower case, and in punycode if it is not ASCII. It reports
// whether s may be an address: exactly one @, at most 320 bytes, no control characters.
// The provider checks the rest. An address that it rejects fails the email and not the
// order.
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

// asciiDomain returns the form of a domain that DNS looks up, or the lower-case text if
// it is not a domain.
func asciiDomain(domain string) string {
	if ascii, err := idna.Lookup.ToASCII(domain); err == nil {
		return ascii
	}
	return strings.ToLower(domain)
}
