package access

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const (
	maxName   = 64  // bytes
	maxTokens = 256 // each request compares all of them
	maxFaults = 10  // that are reported of one file: it may be another file altogether
)

// SingleName is the name of a token that is alone in its file.
const SingleName = "api-token"

// The length of a token in plain text: long enough that it cannot be guessed, and
// bounded, because a larger file is not a token.
const (
	minSingle = 16
	maxSingle = 4096
)

func parseSingle(content []byte) ([]entry, error) {
	token := bytes.TrimSpace(content)
	if len(token) < minSingle || len(token) > maxSingle || bytes.ContainsAny(token, " \t\r\n") {
		return nil, fmt.Errorf("must hold one token of %d to %d bytes without blanks", minSingle, maxSingle)
	}
	return []entry{{token: Token{Name: SingleName, roles: Roles()}, hash: sha256.Sum256(token)}}, nil
}

// parseTokens reads a file of tokens. Each line has a name, the roles and the hash, with
// blanks between them. Empty lines, and lines that begin with #, are left out.
func parseTokens(content []byte) ([]entry, error) {
	var entries []entry
	var faults []string
	lines := map[[sha256.Size]byte]int{}
	number := 0
	for line := range strings.SplitSeq(string(content), "\n") {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		parsed, err := parseLine(fields)
		if before := lines[parsed.hash]; err == nil && before > 0 {
			err = fmt.Errorf("has the same hash as line %d", before)
		}
		if err != nil {
			faults = append(faults, fmt.Sprintf("line %d %s", number, err))
			continue
		}
		lines[parsed.hash] = number
		entries = append(entries, parsed)
	}
	switch {
	case len(faults) > maxFaults:
		return nil, fmt.Errorf("%s; and %d more", strings.Join(faults[:maxFaults], "; "), len(faults)-maxFaults)
	case len(faults) > 0:
		return nil, errors.New(strings.Join(faults, "; "))
	case len(entries) == 0:
		return nil, errors.New("has no token")
	case len(entries) > maxTokens:
		return nil, fmt.Errorf("has more than %d tokens", maxTokens)
	}
	return entries, nil
}

func parseLine(fields []string) (entry, error) {
	if len(fields) != 3 {
		return entry{}, errors.New("must be NAME ROLES SHA256, with commas and no blanks between the roles")
	}
	name, list, digits := fields[0], fields[1], fields[2]
	if !validName(name) {
		return entry{}, fmt.Errorf("must begin with a name of 1 to %d letters, digits, dots, underscores and hyphens", maxName)
	}
	roles, err := parseRoles(list)
	if err != nil {
		return entry{}, err
	}
	parsed := entry{token: Token{Name: name, roles: roles}}
	hash, err := hex.DecodeString(digits)
	if err != nil || len(hash) != len(parsed.hash) {
		return entry{}, fmt.Errorf("must end in a SHA-256 of %d hexadecimal digits", hex.EncodedLen(len(parsed.hash)))
	}
	copy(parsed.hash[:], hash)
	if parsed.hash == sha256.Sum256(nil) {
		return entry{}, errors.New("has the hash of an empty token")
	}
	return parsed, nil
}

// validName reports whether the name can be written to a log as it is. It is not empty: it
// is a field of its line.
func validName(name string) bool {
	return len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
	})
}

func parseRoles(list string) ([]Role, error) {
	var roles []Role
	for name := range strings.SplitSeq(list, ",") {
		role := Role(name)
		if !slices.Contains(Roles(), role) {
			return nil, fmt.Errorf("has a role that is none of %s", joined(Roles()))
		}
		roles = append(roles, role)
	}
	return roles, nil
}

func joined(roles []Role) string {
	names := make([]string, len(roles))
	for i, role := range roles {
		names[i] = string(role)
	}
	return strings.Join(names, ", ")
}
