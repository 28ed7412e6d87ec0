package reconcile

import (
	"cmp"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"text/tabwriter"

	"orderflow/internal/order"
	"orderflow/internal/shell"
)

// defaultListed is how many differences are listed if the options do not say; all are
// counted.
const defaultListed = 100

// Counts count the orders of a comparison, and the differences by kind.
type Counts struct {
	Checked     int    `json:"checked"` // placed orders that can be decoded
	Young       int    `json:"young"`   // further orders placed within the grace, and not checked
	Missing     int    `json:"missing"`
	Extra       int    `json:"extra"`
	Held        int    `json:"held"`
	Lost        int    `json:"lost"`
	Conflict    int    `json:"conflict"`
	Stuck       int    `json:"stuck"`
	Undelivered int    `json:"undelivered"`         // events that never reached Temporal
	Unreserved  int    `json:"unreserved"`          // reservations that KurrentDB lost
	Unlinked    int    `json:"unlinked"`            // events that the server left out of the subscription's stream
	Parked      int    `json:"parked"`              // parked order-placed events, except the missing ones
	Uncounted   string `json:"uncounted,omitempty"` // why those could not be counted; parked is meaningless then
	Fixed       int    `json:"fixed"`               // differences that --fix repaired
	Left        int    `json:"left"`                // differences that are not fixed
}

// Findings are the result of a comparison. Their JSON encoding is the output of -o json.
type Findings struct {
	Counts
	Differences []*difference `json:"differences"`
	More        int           `json:"more"` // differences beyond those listed
	Seconds     float64       `json:"seconds"`

	mu      sync.Mutex
	limit   int          // of Differences
	fixedOf map[kind]int // fixed differences by kind
}

func newFindings(limit int) *Findings {
	return &Findings{Differences: []*difference{}, limit: cmp.Or(limit, defaultListed), fixedOf: map[kind]int{}}
}

// difference is one order about which the stores disagree.
type difference struct {
	OrderID  string `json:"orderId"`
	Kind     kind   `json:"kind"`
	Workflow string `json:"workflow"` // empty: not read
	Row      string `json:"row"`      // empty: none
	Credit   string `json:"credit"`   // empty: not read
	Detail   string `json:"detail"`
	Fixed    bool   `json:"fixed"`

	Revision *uint64 `json:"revision,omitempty"` // of the event, where the difference is about one

	facts facts
}

// add counts a difference, and lists it while there is room.
func (r *Findings) add(orderID string, what kind, f facts) *difference {
	d := &difference{
		OrderID: orderID, Kind: what, Workflow: string(f.Workflow), Row: string(f.Row), Credit: string(f.Credit),
		Detail: detail(f), facts: f,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	*r.count(what)++
	r.Left++
	if len(r.Differences) < r.limit {
		r.Differences = append(r.Differences, d)
	} else {
		r.More++
	}
	return d
}

// count returns the counter for differences of a kind.
func (r *Counts) count(what kind) *int {
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
	case unreserved:
		return &r.Unreserved
	case unlinked:
		return &r.Unlinked
	default:
		panic("unknown kind of difference: " + string(what))
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
	if f.Status == order.StatusFulfilling && f.Row == "" {
		all = append(all, "it waits for a shipment without a row")
	}
	if f.Status.Final() && !f.Row.Final() {
		all = append(all, "its open workflow has closed it as "+string(f.Status)+": once that has ended, it can be restored")
	}
	if f.Published.Final() {
		all = append(all, "it was published as "+string(f.Published))
	}
	if f.Unreserved {
		all = append(all, "its customer's account does not know its reservation")
	}
	if f.LostEmail {
		all = append(all, "a due email was not sent")
	}
	if f.WaitsOnFinalRow {
		all = append(all, "it waits for a shipment although its row is final")
	}
	if f.Credit == creditUnknown {
		all = append(all, "its customer's credit account cannot be read")
	}
	return strings.Join(all, ", ")
}

func (r *Findings) addDetail(d *difference, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Detail = strings.TrimPrefix(d.Detail+", "+reason, ", ")
}

// ByKind returns how many differences of each kind were found, and how many of those are
// not fixed. Both have every kind.
func (r *Findings) ByKind() (found, left map[string]int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found, left = map[string]int{}, map[string]int{}
	for _, what := range kinds() {
		n := *r.count(what)
		found[string(what)], left[string(what)] = n, n-r.fixedOf[what]
	}
	return found, left
}

// Orders visits the listed differences. The id is empty if it is not that of an order, so
// that it may contain anything.
func (r *Findings) Orders(visit func(orderID, what string, fixed bool)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, d := range r.Differences {
		visit(validOrNone(d.OrderID), string(d.Kind), d.Fixed)
	}
}

func validOrNone(orderID string) string {
	if order.ValidID(orderID) {
		return orderID
	}
	return ""
}

func (r *Findings) markFixed(d *difference) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d.Fixed = true
	r.fixedOf[d.Kind]++
	r.Fixed++
	r.Left--
}

// Print writes a line of counts, and a line for each listed difference.
func (r *Findings) Print(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "checked %d  missing %d  extra %d  held %d", r.Checked, r.Missing, r.Extra, r.Held)
	for _, what := range []kind{lost, conflict, stuck, undelivered, unreserved} { // rare, so shown only if there are any
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
		fmt.Fprintf(&text, "%d orders are younger than the grace and were not checked\n", r.Young)
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
				d.OrderID, d.Kind, orDash(d.Workflow), orDash(d.Row), orDash(d.Credit), fixed, shell.Printable(d.Detail))
		}
		_ = table.Flush() // writing to a strings.Builder cannot fail
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
