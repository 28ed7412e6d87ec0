package ses

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
)

// maxAddress is the longest address there can be: 64 bytes, an @ and 255 bytes. Parsers have been slow on longer ones.
const maxAddress = 320

var (
	errAddressLength = errors.New("address is empty or longer than 320 bytes")
	errAddressBytes  = errors.New("address has control characters")
	errAddressForm   = errors.New("not exactly one plain address")
	errSenderBytes   = errors.New("address has control characters or is not plain ASCII")
)

// recipient checks that s can be nothing else than one bare address: no display name, comment, list or group, which a mail
// system would take apart. Whether anything can be written to is left to SES. The errors never quote it.
func recipient(s string) (string, error) {
	switch {
	case s == "" || len(s) > maxAddress:
		return "", errAddressLength
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errAddressBytes
	}
	local, domain, _ := strings.Cut(s, "@")
	if strings.Count(s, "@") != 1 || strings.ContainsAny(domain, "<>(),;") || strings.ContainsAny(local, "<>(),:;") && !quoted(local) {
		return "", errAddressForm
	}
	return s, nil
}

// quoted reports whether a local part is one quoted string, in which specials stand for themselves.
func quoted(local string) bool {
	inner, begins := strings.CutPrefix(local, `"`)
	inner, ends := strings.CutSuffix(inner, `"`)
	return begins && ends && !strings.ContainsAny(inner, `"\`)
}

// sender checks an address of our own, which may have a display name, and writes it as a header wants it. It takes no
// address whose form SES could object to: SES would do so in the words it refuses a recipient's in.
func sender(s string) (string, error) {
	if s == "" || len(s) > maxAddress {
		return "", errAddressLength
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", errSenderBytes
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil {
		return "", errAddressForm
	}
	local, domain, _ := strings.Cut(parsed.Address, "@")
	if strings.ContainsAny(local, ` "<>()[],:;\`) || strings.ContainsFunc(domain, notHost) {
		return "", errAddressForm
	}
	if parsed.Name == "" {
		return parsed.Address, nil
	}
	return parsed.String(), nil
}

const hostBytes = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-."

func notHost(r rune) bool { return !strings.ContainsRune(hostBytes, r) }
