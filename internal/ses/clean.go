package ses

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// clean makes one line of at most limit characters from text that others wrote. What cannot be seen is dropped: control
// characters, which could forge lines of their own, and direction marks, overrides and zero-width characters, which
// make text read as something it is not. That takes emoji sequences apart, which is the lesser harm.
func clean(s string, limit int) string {
	if most := limit * utf8.UTFMax * 2; len(s) > most { // room for what is dropped, but no walk through megabytes
		s = s[:most]
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

// typedLines makes lines of the first lines of an address, no more than most, and drops those that come out empty.
func typedLines(lines []string, most int) []string {
	var kept []string
	for _, line := range lines[:min(len(lines), most)] {
		if line = typed(line, maxAddressLine); line != "" {
			kept = append(kept, line)
		}
	}
	return kept
}
