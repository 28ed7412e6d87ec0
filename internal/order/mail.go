package order

import (
	"net/mail"
	"strings"
)

const (
	maxEmailBytes  = 320
	maxLocalBytes  = 64
	maxDomainBytes = 253
	maxLabelBytes  = 63
)

// usableEmail gives the one plain address that a string holds, its domain in lower case. Display names, comments,
// groups, quoted local parts, address literals and anything beyond ASCII are refused: what is left means the same to
// every mail system and cannot smuggle in a header.
func usableEmail(s string) (string, bool) {
	s = strings.Trim(s, " ")
	if len(s) > maxEmailBytes || !onlyBytes(s, isVisible) {
		return "", false
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil || parsed.Address != s || parsed.Name != "" {
		return "", false
	}
	at := strings.LastIndexByte(s, '@')
	local, domain := s[:at], strings.ToLower(s[at+1:])
	if len(local) > maxLocalBytes || !isDomain(domain) {
		return "", false
	}
	return local + "@" + domain, true
}

func isVisible(c byte) bool { return ' ' < c && c < 0x7f }

// isDomain reports whether s is a host name of two labels or more, in lower case.
func isDomain(s string) bool {
	labels := strings.Split(s, ".")
	if len(s) > maxDomainBytes || len(labels) < 2 {
		return false
	}
	for _, label := range labels {
		ok := label != "" && len(label) <= maxLabelBytes && onlyBytes(label, isLabelByte)
		if !ok || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
	}
	return true
}

func isLabelByte(c byte) bool { return 'a' <= c && c <= 'z' || isDigit(c) || c == '-' }
