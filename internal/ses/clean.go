package ses

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean turns text from others into one line of at most limit characters. It drops what
// cannot be seen: control characters, which could forge extra lines, and direction marks,
// overrides and zero-width characters, which make text read as something else. This
// breaks emoji sequences, which is the lesser harm.
func clean(s string, limit int) string {
	if maxBytes := limit * utf8.UTFMax * 2; len(s) > maxBytes { // leaves room for what is dropped, without scanning megabytes
		s = s[:maxBytes]
	}
	s = strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case unicode.IsPrint(r):
			return r
		default:
			return -1
		}
	}, s)
	s = strings.Join(strings.Fields(s), " ")
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	return strings.TrimSpace(string([]rune(s)[:limit-1])) + "…"
}

// customerLines cleans the first lines of an address, at most limit, and drops those that
// are empty afterwards.
func customerLines(lines []string, limit int) []string {
	var kept []string
	for _, line := range lines[:min(len(lines), limit)] {
		if line = customerText(line, maxAddressLine); line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}
