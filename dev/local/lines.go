package main

import (
	"fmt"
	"io"

	"orderflow/dev/local/internal/orders"
)

// lines is the display without a terminal. It prints one line for each order that
// changed.
type lines struct {
	out    io.Writer
	before map[string]string
}

func newLines(out io.Writer, links []link, hints []hint) *lines {
	l := &lines{out: out, before: map[string]string{}}
	for _, link := range links {
		l.say(fmt.Sprintf("%-12s %s", link.what, link.where))
	}
	for _, h := range hints {
		l.say("# " + h.what)
		for _, line := range h.lines {
			l.say(line)
		}
	}
	return l
}

// show prints the oldest change first. It forgets orders that are no longer listed.
func (l *lines) show(seen []orders.Seen) {
	now := make(map[string]string, len(seen))
	for i := len(seen) - 1; i >= 0; i-- {
		s := seen[i]
		if s.Status == "" {
			continue // its state is not known yet
		}
		text := fmt.Sprintf("%s %s %s, credit %s, e-mail %s", s.OrderID, s.Total, s.Status, s.Credit, s.Email)
		if s.Reason != "" {
			text += ", " + string(s.Reason)
		}
		now[s.OrderID] = text
		if l.before[s.OrderID] != text {
			l.say(text)
		}
	}
	l.before = now
}

func (l *lines) say(text string) { _, _ = fmt.Fprintln(l.out, text) }
