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

// checker keeps the first fault that is found, so that the rules can stand one after the other.
type checker struct {
	fault error
}

func (c *checker) refuse(path, reason string) {
	if c.fault == nil {
		c.fault = invalid(path, reason)
	}
}

// identifier gives back an identifier that can be used, or nothing.
func (c *checker) identifier(path, value string) string {
	switch {
	case value == "":
		c.refuse(path, "is missing")
	case strings.TrimSpace(value) == "":
		c.refuse(path, "must not be blank")
	case len(value) > maxIdentifierBytes:
		c.refuse(path, fmt.Sprintf("must be at most %d bytes", maxIdentifierBytes))
	case !utf8.ValidString(value):
		c.refuse(path, "must be UTF-8")
	case strings.ContainsFunc(value, unicode.IsControl):
		c.refuse(path, "must not have control characters")
	default:
		return value
	}
	return ""
}

// text gives back any string that Postgres can keep, which is one without the character 0.
func (c *checker) text(path, value string) string {
	switch {
	case len(value) > maxTextBytes:
		c.refuse(path, fmt.Sprintf("must be at most %d bytes", maxTextBytes))
	case strings.Contains(value, "\x00"):
		c.refuse(path, "must not have the character 0")
	default:
		return value
	}
	return ""
}
