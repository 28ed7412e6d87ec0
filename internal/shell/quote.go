// Package shell writes to an operator's terminal: commands that can be pasted into a shell,
// and text from others, which must not control the terminal. It runs nothing.
package shell

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

var plainWord = regexp.MustCompile(`^[A-Za-z0-9_@%+:,./-]+$`)

// Quote returns a word as a POSIX shell reads it back. A word without special characters
// stays as it is.
func Quote(word string) string {
	if plainWord.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// Printable makes text from others safe for a terminal and for a line of a table. It
// replaces each character that cannot be seen, such as those of an escape sequence, a line
// feed, or a direction mark, by its code.
func Printable(text string) string {
	var out strings.Builder
	for _, r := range text {
		if r == ' ' || unicode.IsGraphic(r) && !unicode.IsSpace(r) {
			out.WriteRune(r)
			continue
		}
		out.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
	}
	return out.String()
}

// PrintableLines is Printable for text of several lines, whose ends it keeps.
func PrintableLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = Printable(line)
	}
	return strings.Join(lines, "\n")
}
