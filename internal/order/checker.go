package order

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	maxIdentifierBytes = 128
	maxTextBytes       = 1024
)

// checker keeps the first fault that is found, so that callers can apply every rule
// without checking after each one.
type checker struct {
	fault error
}

func (c *checker) addFault(path, reason string) {
	if c.fault == nil {
		c.fault = invalid(path, reason)
	}
}

// identifier returns value if it is a valid identifier, and "" otherwise.
func (c *checker) identifier(path, value string) string {
	switch {
	case value == "":
		c.addFault(path, "is missing")
	case strings.TrimSpace(value) == "":
		c.addFault(path, "must not be blank")
	case len(value) > maxIdentifierBytes:
		c.addFault(path, fmt.Sprintf("must be at most %d bytes", maxIdentifierBytes))
	case !utf8.ValidString(value):
		c.addFault(path, "must be UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		c.addFault(path, "must not have control characters")
	default:
		return value
	}
	return ""
}

// text returns value if PostgreSQL can store it, which excludes the character 0, and ""
// otherwise. Its length is limited, as that of all text from producers.
func (c *checker) text(path, value string) string {
	switch {
	case len(value) > maxTextBytes:
		c.addFault(path, fmt.Sprintf("must be at most %d bytes", maxTextBytes))
	case !utf8.ValidString(value):
		c.addFault(path, "must be UTF-8")
	case strings.Contains(value, "\x00"):
		c.addFault(path, "must not have the character 0")
	default:
		return value
	}
	return ""
}
