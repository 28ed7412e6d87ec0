package order

import (
	"encoding/json"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// languagePattern matches the language tags of BCP 47 that emails can be in: a language,
// and up to three subtags such as a script and a region.
var languagePattern = regexp.MustCompile(`^[a-z]{2,3}(-[a-z0-9]{2,8}){0,3}$`)

// language returns the customer's language in lower case, or "" if the value is none. That
// is no fault: an order must not wait because of the language of its emails, and a producer
// may have a member of that name with another meaning.
func language(raw jsontext.Value) string {
	var tag string
	if raw.Kind() != '"' || json.Unmarshal(raw, &tag) != nil {
		return ""
	}
	tag = strings.ReplaceAll(strings.ToLower(strings.TrimSpace(tag)), "_", "-") // also as in a POSIX locale
	if !languagePattern.MatchString(tag) {
		return ""
	}
	return tag
}
