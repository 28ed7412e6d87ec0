package ses

import (
	"slices"
	"strings"
)

// refusesLetter reports whether SES refuses this letter rather than all letters. Only the
// text of the message shows that: SES uses the same codes to report that sending is
// paused, that an identity is not verified, or that the configuration set does not exist.
// Those clear once an operator has changed the setup, and texts that are not listed may
// be among them.
//
// A text counts only at the beginning of the message, because what follows may quote an
// address.
func refusesLetter(code, message string) bool {
	switch code {
	case "MessageRejected", "BadRequestException", "ValidationException", "InvalidParameterValue":
	default:
		return false
	}
	message = strings.ToLower(strings.TrimSpace(message))
	return slices.ContainsFunc(letterRefusals(), func(text string) bool { return strings.HasPrefix(message, text) })
}

// letterRefusals returns the beginnings of the texts with which SES refuses a letter, in
// lower case. Those about an address are the texts of JavaMail, which SES uses to parse
// addresses. They could also be about an address of the shop, but checkConfig restricts
// EMAIL_FROM and EMAIL_REPLY_TO to a form that has none of these faults. docs/operations.md lists them.
func letterRefusals() []string {
	return []string{
		"address blacklisted",
		"domain contains ",
		"domain ends with dot",
		"domain literal ",
		"domain starts with dot",
		"empty address",
		"illegal address",
		"illegal route-addr",
		"illegal semicolon",
		"illegal whitespace in address",
		"local address contains ",
		"local address ends with dot",
		"local address starts with dot",
		"message length is more than ",
		`missing '"'`,
		"missing ')'",
		"missing '<'",
		"missing '>'",
		"missing ']'",
		"missing domain",
		"missing final '@domain'",
		"missing local name",
		"quote not at ",
		"quoted local address contains ",
		"unterminated quote",
	}
}
