package ses

import (
	"regexp"
	"strings"
	"unicode"
)

// unlink inserts spaces into a clean line where a mail program would find something to
// link to: a domain, an email or host address, or a scheme. Anyone who places an order
// chooses its texts and their recipient, and could make the shop send advertisements to
// third parties. Text that no program would link stays as typed: "USB 3.0 Hub 2.5m", "St.
// Ives", "1:24".
//
// It looks only at the form of a word and uses no list of domains, because a mail
// program's list may be newer.
func unlink(line string) string {
	words := strings.Split(line, " ")
	for i, word := range words {
		words[i] = unlinkWord(word)
	}
	return strings.Join(words, " ")
}

func unlinkWord(word string) string {
	if !strings.ContainsAny(word, dots+"@:/") {
		return word
	}
	runes, host := []rune(word), isHostAddress(word)
	var b strings.Builder
	for i, r := range runes {
		before, after := runes[:i], runes[i+1:]
		switch {
		case len(after) == 0:
			b.WriteRune(r)
		case r == '/' && after[0] == '/' && len(after) > 1: // a host follows, even without a scheme
			b.WriteString("/ ")
		case len(before) == 0 && r != ':':
			b.WriteRune(r)
		case r == '@':
			b.WriteString(" @ ")
		case strings.ContainsRune(dots, r) && (host || beginsDomain(after)),
			r == ':' && (host || after[0] == ':' || after[0] == '/' || endsScheme(before)):
			b.WriteRune(r)
			b.WriteByte(' ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// dots are the full stop and the characters that browsers accept as one in a domain.
const dots = ".\u2024\u3002\uff0e\uff61"

// beginsDomain reports whether text may begin with a top-level domain: none begins with a
// digit, and those in ASCII have at least two letters.
func beginsDomain(text []rune) bool {
	if !unicode.IsLetter(text[0]) && !unicode.IsMark(text[0]) {
		return false
	}
	return text[0] > unicode.MaxASCII || len(text) > 1 && isLabelRune(text[1])
}

func isLabelRune(r rune) bool {
	return r == '-' || unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)
}

// endsScheme reports whether text ends like the name of a scheme, with at least two
// letters. "1:24" has none.
func endsScheme(text []rune) bool {
	letters := 0
	for i := len(text) - 1; i >= 0; i-- {
		switch r := text[i]; {
		case unicode.IsLetter(r):
			letters++
		case !unicode.IsDigit(r) && !strings.ContainsRune("+.-", r):
			return letters > 1
		}
	}
	return letters > 1
}

// isHostAddress reports whether a word contains numbers like those of an IPv4 or IPv6
// address.
func isHostAddress(word string) bool { return hostAddress.MatchString(word) }

var hostAddress = regexp.MustCompile(`\d+(\.\d+){3}|[0-9A-Fa-f]*(:[0-9A-Fa-f]+){3}`)
