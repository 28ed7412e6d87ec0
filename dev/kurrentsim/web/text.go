package web

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"html/template"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// Limits of the shown part of one body, in bytes: pages stay small enough for a browser,
// whatever an event contains.
const (
	maxIndented = 256 << 10
	maxDepth    = 64 // indenting deeper than that multiplies the size
	maxText     = 512 << 10
	maxHex      = 16 << 10
)

// text is a body prepared for display.
type text struct {
	Kind   string // JSON, text or bytes; empty if there is no body
	Size   int    // of the body, in bytes
	Tokens []token
	Cut    bool // the body is longer than what is shown
}

// token is a piece of a body and its class: key, string, number, word, or empty for other
// text.
type token struct{ Class, Text string }

// present formats a body for display: JSON indented, other text unchanged, the rest as a
// hex dump.
func present(body []byte) text {
	t := text{Size: len(body)}
	var indented bytes.Buffer
	switch {
	case len(body) == 0:
	case len(body) <= maxIndented && depth(body) <= maxDepth && json.Indent(&indented, body, "", "  ") == nil:
		t.Kind = "JSON"
		whole, cut := clip(indented.Bytes(), maxText)
		t.Tokens, t.Cut = tokens(whole), cut
	case utf8.Valid(body) && !bytes.ContainsRune(body, 0):
		t.Kind = "text"
		whole, cut := clip(body, maxText)
		t.Tokens, t.Cut = []token{{Text: whole}}, cut
	default:
		t.Kind = "bytes"
		t.Cut = len(body) > maxHex
		t.Tokens = []token{{Text: hex.Dump(body[:min(len(body), maxHex)])}}
	}
	return t
}

// depth returns the nesting depth of brackets. It need not be exact for bodies that are
// not JSON.
func depth(body []byte) int {
	deepest, now, quoted := 0, 0, false
	for i := 0; i < len(body); i++ {
		switch c := body[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			now++
			deepest = max(deepest, now)
		case c == '}' || c == ']':
			now--
		}
	}
	return deepest
}

// clip cuts at a character's boundary.
func clip(b []byte, limit int) (string, bool) {
	if len(b) <= limit {
		return string(b), false
	}
	for limit > 0 && !utf8.RuneStart(b[limit]) {
		limit--
	}
	return string(b[:limit]), true
}

// tokens splits indented JSON for syntax coloring. The JSON may have been cut anywhere.
func tokens(s string) []token {
	var found []token
	for len(s) > 0 {
		n := strings.IndexAny(s, `"-0123456789tfn`) // what a value begins with, outside of strings
		if n != 0 {
			if n < 0 {
				n = len(s)
			}
			found, s = append(found, token{Text: s[:n]}), s[n:]
			continue
		}
		class, length := value(s)
		found, s = append(found, token{class, s[:length]}), s[length:]
	}
	return found
}

func value(s string) (class string, length int) {
	if s[0] != '"' {
		length = strings.IndexAny(s, ",\n]} ")
		if length < 0 {
			length = len(s)
		}
		if s[0] >= 'a' {
			return "word", length
		}
		return "number", length
	}
	for length = 1; length < len(s) && s[length] != '"'; length++ {
		if s[length] == '\\' {
			length++
		}
	}
	length = min(length+1, len(s))
	if strings.HasPrefix(s[length:], ":") {
		return "key", length
	}
	return "string", length
}

// place formats an event's revision and stream.
func place(r *store.Record) string { return strconv.FormatInt(r.Revision, 10) + "@" + r.Stream }

// titled is a body with its heading.
type titled struct {
	Title string
	Text  text
}

func functions() template.FuncMap {
	return template.FuncMap{
		"place":  place,
		"titled": func(title string, t text) titled { return titled{title, t} },
		"time": func(ticks int64) string {
			return moment(time.Unix(0, ticks*int64(100*time.Nanosecond)))
		},
		"moment": moment,
		"bytes":  size,
		"count":  count,
		"reason": func(p groups.Parked) string { return strings.TrimSpace(p.Reason) },
		"origin": origin,
		"deleted": func(r store.Record) bool {
			return r.Revision == store.DeletedRevision
		},
	}
}

// origin returns the user of a consumer's connection.
func origin(c subscription.ConsumerStats) string {
	if connection, ok := c.Consumer.(*groups.Connection); ok {
		return connection.User
	}
	return ""
}

func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05.000")
}

func size(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d B", n)
}

// count formats a whole number with thousands separators.
func count(n any) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u2009" + digits[i:]
	}
	return digits
}
