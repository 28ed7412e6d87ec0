package doctor

import (
	"regexp"
	"strings"
)

var (
	plainWord = regexp.MustCompile(`^[A-Za-z0-9_.,:@%+/-]+$`)
	// plainIdentifier is a name of deploy/roles.sql: any other could be a reserved word.
	plainIdentifier = regexp.MustCompile(`^orderflow_[a-z0-9_]+$`)
)

// word quotes an argument for a shell, unless it needs no quotes.
func word(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// identifier quotes a name for SQL, unless it needs no quotes.
func identifier(name string) string {
	if plainIdentifier.MatchString(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
