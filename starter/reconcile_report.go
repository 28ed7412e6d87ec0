package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"
)

// maxDifferences bounds the list of differences; all are counted.
const maxDifferences = 100

// findings are what a reconciliation found. Its JSON is what -o json prints.
type findings struct {
	Checked     int           `json:"checked"` // orders that were placed and can be read
	Young       int           `json:"young"`   // of these not looked at: placed within the grace
	Missing     int           `json:"missing"`
	Extra       int           `json:"extra"`
	Held        int           `json:"held"`
	Lost        int           `json:"lost"`
	Conflict    int           `json:"conflict"`
	Stuck       int           `json:"stuck"`
	Undelivered int           `json:"undelivered"`         // events that did not reach Temporal
	Unlinked    int           `json:"unlinked"`            // events that the server left out of the subscription's stream
	Parked      int           `json:"parked"`              // order-placed events that were put aside, and are not missing
	Uncounted   string        `json:"uncounted,omitempty"` // why those could not be counted; parked says nothing then
	Fixed       int           `json:"fixed"`               // of all that --fix has a remedy for
	Left        int           `json:"left"`                // differences that are not fixed
	Differences []*difference `json:"differences"`
	More        int           `json:"more"` // differences beyond those listed
	Seconds     float64       `json:"seconds"`

	mu sync.Mutex
}

// difference is one order about which the stores disagree.
type difference struct {
	OrderID  string `json:"orderId"`
	Kind     kind   `json:"kind"`
	Workflow string `json:"workflow"` // empty: not asked
	Row      string `json:"row"`      // empty: none
	Credit   string `json:"credit"`   // empty: not asked
	Detail   string `json:"detail"`
	Fixed    bool   `json:"fixed"`

	Revision *uint64 `json:"revision,omitempty"` // of the event, where the difference is about one

	facts facts
}

// note counts a difference, and lists it while there is room.
func (r *findings) note(orderID string, what kind, f facts) *difference {
	d := &difference{
		OrderID: orderID, Kind: what, Workflow: string(f.Workflow), Row: string(f.Row), Credit: string(f.Credit),
		Detail: detail(f), facts: f,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.count(what)++
	r.Left++
	if len(r.Differences) < maxDifferences {
		r.Differences = append(r.Differences, d)
	} else {
		r.More++
	}
	return d
}

// count is where differences of a kind are counted.
func (r *findings) count(what kind) *int {
	switch what {
	case missing:
		return &r.Missing
	case held:
		return &r.Held
	case lost:
		return &r.Lost
	case conflict:
		return &r.Conflict
	case stuck:
		return &r.Stuck
	case undelivered:
		return &r.Undelivered
	case extra:
		return &r.Extra
	case unlinked:
		return &r.Unlinked
	default:
		panic("a kind of difference that is not counted: " + string(what))
	}
}

func detail(f facts) string {
	var all []string
	if f.Detail != "" {
		all = append(all, f.Detail)
	}
	if f.Unreadable != "" {
		all = append(all, f.Unreadable)
	}
	if f.Erased {
		all = append(all, "its stream is deleted")
	}
	if f.Failures > 0 {
		all = append(all, fmt.Sprintf("its workflow task failed %d times in a row", f.Failures))
	}
	if f.Result.Status != "" && f.Result.Status != f.Row {
		all = append(all, "its workflow ended as "+string(f.Result.Status))
	}
	if f.Workflow == workflowOpen && f.Fulfilling && f.Row == "" {
		all = append(all, "it waits for a shipment without a row")
	}
	if f.Published.Final() {
		all = append(all, "it was published as "+string(f.Published))
	}
	if f.LostMail {
		all = append(all, "a mail that is due was not sent")
	}
	if f.InVain {
		all = append(all, "it waits for a shipment though its row is final")
	}
	if f.Credit == creditUnknown {
		all = append(all, "its customer's credit account cannot be read")
	}
	return strings.Join(all, ", ")
}

func (r *findings) explain(d *difference, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Detail = strings.TrimPrefix(d.Detail+", "+reason, ", ")
}

func (r *findings) fixed(d *difference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Fixed = true
	r.Fixed++
	r.Left--
}

// print writes a line of counts, and one for each difference that is listed.
func (r *findings) print(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "checked %d  missing %d  extra %d  held %d", r.Checked, r.Missing, r.Extra, r.Held)
	for _, what := range []kind{lost, conflict, stuck, undelivered} { // rare: only where there are any
		if n := *r.count(what); n > 0 {
			fmt.Fprintf(&text, "  %s %d", what, n)
		}
	}
	parked := strconv.Itoa(r.Parked)
	if r.Uncounted != "" {
		parked = "?"
	}
	fmt.Fprintf(&text, "  parked %s  fixed %d  left %d\n", parked, r.Fixed, r.Left)
	if r.Uncounted != "" {
		fmt.Fprintf(&text, "the parked events could not be counted: %s\n", r.Uncounted)
	}
	if r.Young > 0 {
		fmt.Fprintf(&text, "%d orders are younger than the grace and were not looked at\n", r.Young)
	}
	if r.Unlinked > 0 {
		fmt.Fprintf(&text, "unlinked %d: the server cannot read these events and delivers none of them; append each again, corrected\n", r.Unlinked)
	}
	if len(r.Differences) > 0 {
		table := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "\nORDER\tIS\tWORKFLOW\tROW\tCREDIT\tFIXED\tDETAIL")
		for _, d := range r.Differences {
			fixed := "no"
			if d.Fixed {
				fixed = "yes"
			}
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
				d.OrderID, d.Kind, orDash(d.Workflow), orDash(d.Row), orDash(d.Credit), fixed, d.Detail)
		}
		_ = table.Flush() // a strings.Builder takes everything
	}
	if r.More > 0 {
		fmt.Fprintf(&text, "and %d more\n", r.More)
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
