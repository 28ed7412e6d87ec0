package doctor

import (
	"regexp"
	"strings"
)

// plainIdentifier is a name of deploy/roles.sql: any other could be a reserved word.
var plainIdentifier = regexp.MustCompile(`^orderflow_[a-z0-9_]+$`)

// literal quotes a text for SQL.
func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// identifier quotes a name for SQL, unless it needs no quotes.
func identifier(name string) string {
	if plainIdentifier.MatchString(name) {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}
