package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"
	"time"
	"unicode/utf8"

	"orderflow/bridge"
	"orderflow/internal/shell"
)

// parkedPage is what `parked list` prints.
type parkedPage struct {
	Parked []parkedLine `json:"parked"`
	Next   *uint64      `json:"next,omitempty"` // start of the next page, if there are more
}

// parkedLine is one parked event. Type and EventID are empty if the event is gone from
// its stream.
type parkedLine struct {
	Number   uint64    `json:"number"`
	Stream   string    `json:"stream"`
	Revision uint64    `json:"revision"`
	Type     string    `json:"type"`
	EventID  string    `json:"eventId"`
	ParkedAt time.Time `json:"parkedAt"`
	Reason   string    `json:"reason"`
}

func lineOf(p bridge.ParkedEvent) parkedLine {
	line := parkedLine{
		Number: p.Number, Stream: p.Stream, Revision: p.Revision, ParkedAt: p.At.Truncate(time.Second), Reason: p.Reason,
	}
	if p.Event != nil {
		line.Type, line.EventID = p.Event.Type, p.Event.ID.String()
	}
	return line
}

func (l parkedLine) position() string {
	return fmt.Sprintf("%s@%d", shell.Printable(l.Stream), l.Revision)
}

func (g *group) printTable(w io.Writer, page parkedPage) error {
	if len(page.Parked) == 0 {
		_, err := fmt.Fprintf(w, "%s has parked nothing\n", g)
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NUMBER\tEVENT\tTYPE\tEVENT ID\tPARKED AT\tREASON")
	for _, l := range page.Parked {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%s\n", l.Number, l.position(), orGone(l.Type), orGone(l.EventID),
			l.ParkedAt.Format(time.RFC3339), shell.Printable(l.Reason))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if page.Next != nil {
		_, err := fmt.Fprintf(w, "there is more: --from %d\n", *page.Next)
		return err
	}
	return nil
}

func orGone(text string) string {
	if text == "" {
		return "gone"
	}
	return shell.Printable(text)
}

// parkedDetails is what `parked show` prints.
type parkedDetails struct {
	parkedLine
	CreatedAt   *time.Time      `json:"createdAt,omitempty"`
	ContentType string          `json:"contentType,omitempty"`
	Metadata    json.RawMessage `json:"metadata,omitempty"`
	Bytes       int             `json:"bytes"` // of the body
	Body        json.RawMessage `json:"body,omitempty"`
}

func detailsOf(p bridge.ParkedEvent, body bool) parkedDetails {
	details := parkedDetails{parkedLine: lineOf(p)}
	if p.Event == nil {
		return details
	}
	details.CreatedAt, details.ContentType = &p.Event.Created, p.Event.ContentType
	details.Metadata, details.Bytes = asJSON(p.Event.Metadata), len(p.Event.Data)
	if body {
		details.Body = asJSON(p.Event.Data)
	}
	return details
}

// asJSON returns JSON unchanged and any other data as a JSON string, in base64 unless it
// is UTF-8 text.
func asJSON(data []byte) json.RawMessage {
	if len(data) == 0 || json.Valid(data) {
		return data
	}
	var value any = data
	if utf8.Valid(data) {
		value = string(data)
	}
	encoded, err := json.Marshal(value)
	if err != nil { // cannot happen: strings and bytes always marshal
		return nil
	}
	return encoded
}

func (d parkedDetails) print(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(table, "number\t%d\n", d.Number)
	fmt.Fprintf(table, "reason\t%s\n", shell.Printable(d.Reason))
	fmt.Fprintf(table, "parked at\t%s\n", d.ParkedAt.Format(time.RFC3339))
	fmt.Fprintf(table, "event\t%s\n", d.position())
	fmt.Fprintf(table, "type\t%s\n", orGone(d.Type))
	if d.CreatedAt != nil {
		fmt.Fprintf(table, "event id\t%s\n", d.EventID)
		fmt.Fprintf(table, "created at\t%s\n", d.CreatedAt.UTC().Format(time.RFC3339))
		fmt.Fprintf(table, "metadata\t%s\n", shell.Printable(string(d.Metadata)))
		if d.Body == nil {
			fmt.Fprintf(table, "body\t%d bytes of %s, shown with --body: it holds personal data\n", d.Bytes, shell.Printable(d.ContentType))
		} else {
			fmt.Fprintf(table, "body\t%s\n", shell.Printable(string(d.Body)))
		}
	}
	return table.Flush()
}
