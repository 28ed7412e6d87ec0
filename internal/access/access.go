// Package access authenticates callers by tokens, and says what each may do. It owns the
// roles, the format of the file of tokens and the comparison. How a token is presented,
// and which role a request needs, is left to the server that uses it.
//
// The file has the SHA-256 of each token, so that reading it grants nothing. A plain hash
// is enough, because tokens are random: a token of 256 random bits cannot be found by
// trying, as a password could.
//
// Whether a token is known, and which one it is, does not show in the time that
// Authenticate takes: every hash of the file is compared, each in constant time.
//
// Two tokens may have the same name, so that one can replace the other while both are
// accepted. The name is for logs and limits, and no secret.
package access

import (
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"slices"

	"orderflow/internal/reread"
)

// Role is something that a token may be allowed to do.
type Role string

// The roles.
const (
	Read    Role = "read"    // look up orders and customers
	Place   Role = "place"   // place orders
	Operate Role = "operate" // ship and cancel orders
	Credit  Role = "credit"  // open credit accounts, decide their limits and orders on hold
	Decode  Role = "decode"  // decrypt payloads
)

// Roles returns every role.
func Roles() []Role { return []Role{Read, Place, Operate, Credit, Decode} }

// Token is an authenticated token. The zero Token has no name and no role.
type Token struct {
	Name  string
	roles []Role
}

// May reports whether the token has the role.
func (t Token) May(role Role) bool { return slices.Contains(t.roles, role) }

// entry is a token as it is stored.
type entry struct {
	token Token
	hash  [sha256.Size]byte
}

// Tokens are the tokens of a file, which is read again when it changes. Tokens are safe
// for concurrent use.
type Tokens struct {
	entries *reread.Value[[]entry]
}

// Open reads a file of tokens. setting is the variable that names it. A fault is a
// *config.Error that says what is wrong with each line, and quotes none.
func Open(setting, path string, logger *slog.Logger) (*Tokens, error) {
	return open(parseTokens, setting, path, logger)
}

// OpenSingle reads a file that contains one token as plain text. The token has every role
// and the name SingleName.
func OpenSingle(setting, path string, logger *slog.Logger) (*Tokens, error) {
	return open(parseSingle, setting, path, logger)
}

func open(parse func([]byte) ([]entry, error), setting, path string, logger *slog.Logger) (*Tokens, error) {
	entries, err := reread.Open(logger, func(contents [][]byte) ([]entry, error) { return parse(contents[0]) },
		reread.File{Setting: setting, Path: path})
	if err != nil {
		return nil, err
	}
	return &Tokens{entries: entries}, nil
}

// Authenticate returns the token that was presented, and reports whether it is known.
func (t *Tokens) Authenticate(presented string) (Token, bool) {
	hash := sha256.Sum256([]byte(presented))
	entries := t.entries.Get()
	found := -1
	for i := range entries {
		found = subtle.ConstantTimeSelect(subtle.ConstantTimeCompare(hash[:], entries[i].hash[:]), i, found)
	}
	if found < 0 {
		return Token{}, false
	}
	return entries[found].token, true
}

// Stale reports whether the file cannot be used, so that the tokens are those of before.
func (t *Tokens) Stale() bool { return t.entries.Stale() }
