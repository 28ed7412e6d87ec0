package ses

import (
	"errors"
	"net/mail"
	"strings"
	"unicode"
)

// maxAddress is the maximum length of an address: 64 bytes, an @ and 255 bytes. Parsers
// have been slow on longer ones.
const maxAddress = 320

var (
	errAddressLength = errors.New("address is empty or longer than 320 bytes")
	errAddressBytes  = errors.New("address has control characters")
	errAddressForm   = errors.New("not exactly one plain address")
	errSenderBytes   = errors.New("address has control characters or is not plain ASCII")
)

// checkRecipient checks that s can only be read as one bare address: no display name,
// comment, list or group, which a mail system would take apart. Whether the address can
// receive email is left to SES. The errors never quote it.
func checkRecipient(s string) (string, error) {
	switch {
	case s == "" || len(s) > maxAddress:
		return "", errAddressLength
	case strings.ContainsFunc(s, unicode.IsControl):
		return "", errAddressBytes
	}
	local, domain, _ := strings.Cut(s, "@")
	if strings.Count(s, "@") != 1 || strings.ContainsAny(domain, "<>(),;") || strings.ContainsAny(local, "<>(),:;") && !isQuoted(local) {
		return "", errAddressForm
	}
	return s, nil
}

// isQuoted reports whether a local part is one quoted string, in which special characters
// have no special meaning.
func isQuoted(local string) bool {
	inner, opened := strings.CutPrefix(local, `"`)
	inner, closed := strings.CutSuffix(inner, `"`)
	return opened && closed && !strings.ContainsAny(inner, `"\`)
}

// formatSender checks the sender address, which may have a display name, and formats it
// for a header. It accepts no address whose form SES could reject: SES would reject it
// with the same texts as a recipient's.
func formatSender(s string) (string, error) {
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
