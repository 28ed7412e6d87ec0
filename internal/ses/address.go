package ses

import (
	"errors"
	"net/mail"
	"strings"
)

// maxAddress is the longest address there can be: 64 bytes, an @ and 255 bytes. Parsers have been slow on longer ones.
const maxAddress = 320

var (
	errAddressLength = errors.New("address is empty or longer than 320 bytes")
	errAddressBytes  = errors.New("address has control characters or is not plain ASCII")
	errAddressForm   = errors.New("not exactly one plain address")
)

// recipient checks that s is one bare address: no display name, comment, list, group or quoting, which mail systems read
// differently. The errors never quote it.
func recipient(s string) (string, error) {
	parsed, err := parseAddress(s)
	if err != nil {
		return "", err
	}
	if parsed.Address != s {
		return "", errAddressForm
	}
	return s, nil
}

// sender checks an address of our own, which may have a display name, and writes it as a header wants it.
func sender(s string) (string, error) {
	parsed, err := parseAddress(s)
	if err != nil {
		return "", err
	}
	if parsed.Name == "" {
		return parsed.Address, nil
	}
	return parsed.String(), nil
}

func parseAddress(s string) (*mail.Address, error) {
	if s == "" || len(s) > maxAddress {
		return nil, errAddressLength
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return nil, errAddressBytes
	}
	parsed, err := mail.ParseAddress(s)
	if err != nil {
		return nil, errAddressForm
	}
	return parsed, nil
}
