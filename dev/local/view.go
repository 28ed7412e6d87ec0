package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"orderflow/dev/local/internal/orders"
	"orderflow/internal/order"
)

// board is everything the live view shows at one moment.
type board struct {
	links  []link // pages and paths to open
	seen   []orders.Seen
	hints  []hint
	notice string // the current problem, if any
	now    time.Time
	height int // lines of the terminal; 0 means unlimited
}

type link struct{ what, where string }

// wantedRows is how many rows of orders take precedence over another command.
const wantedRows = 8

type column struct {
	title string
	width int
}

// columns returns the columns. A narrow terminal cuts them off from the right, so the
// least important is last.
func columns() []column {
	return []column{
		{"ORDER", 38}, {"STATUS", 11}, {"CREDIT", 8}, {"E-MAIL", 10}, {"AGE", 4}, {"TOTAL", 13}, {"CUSTOMER", 20}, {"REASON", 20},
	}
}

// render draws the board. On a low terminal it drops the last commands first, then the
// oldest orders.
func (b board) render() string {
	head, foot := b.head(), b.foot()
	rows := len(b.seen)
	if b.height > 0 {
		for len(b.hints) > 1 && b.height-len(head)-len(foot)-1 < min(rows, wantedRows) {
			b.hints = b.hints[:len(b.hints)-1]
			foot = b.foot()
		}
		rows = min(rows, max(1, b.height-len(head)-len(foot)-1))
	}
	lines := head
	for _, s := range b.seen[:rows] {
		lines = append(lines, b.row(s))
	}
	return strings.Join(append(lines, foot...), "\n") + "\n"
}

func (b board) head() []string {
	lines := []string{}
	for _, l := range b.links {
		lines = append(lines, fmt.Sprintf("%-12s %s", l.what, l.where))
	}
	var titles []string
	for _, c := range columns() {
		titles = append(titles, pad(c.title, c.width))
	}
	bold := lipgloss.NewStyle().Bold(true)
	return append(lines, "", bold.Render(strings.Join(titles, " ")))
}

func (b board) row(s orders.Seen) string {
	total := ""
	if !s.Total.IsZero() {
		total = s.Total.String()
	}
	cells := []string{
		s.OrderID, string(s.Status), string(s.Credit), s.Email, age(b.now.Sub(s.Started)), total, s.CustomerID, string(s.Reason),
	}
	for i, c := range columns() {
		cells[i] = pad(cells[i], c.width)
	}
	cells[1] = color(s.Status).Render(cells[1])
	return strings.Join(cells, " ")
}

func (b board) foot() []string {
	faint := lipgloss.NewStyle().Faint(true)
	lines := []string{""}
	if b.notice != "" {
		lines = append(lines, lipgloss.NewStyle().Foreground(lipgloss.Color("1")).Render(b.notice))
	}
	for _, h := range b.hints {
		lines = append(lines, faint.Render("# "+h.what))
		lines = append(lines, h.lines...)
	}
	return append(lines, faint.Render("Ctrl-C stops everything; the next run continues from here."))
}

// color makes statuses easy to find: those that need attention are yellow or red.
func color(s order.Status) lipgloss.Style {
	switch s {
	case order.StatusFulfilling:
		return lipgloss.NewStyle().Foreground(lipgloss.Color("4"))
	case order.StatusShipped:
		return lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	case order.StatusOnHold, order.StatusCancelling:
		return lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	case order.StatusRejected, order.StatusCancelled:
		return lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
	default:
		return lipgloss.NewStyle()
	}
}

// pad pads or truncates text to a column's width.
func pad(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return string(runes[:width-1]) + "…"
	}
	return fmt.Sprintf("%-*s", width, text)
}

func age(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	default:
		return fmt.Sprintf("%dd", int(d.Hours()/24))
	}
}
