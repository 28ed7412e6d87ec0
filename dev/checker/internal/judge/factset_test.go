package judge_test

import (
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"orderflow/dev/checker/internal/facts"
	"orderflow/internal/order"
)

// The orders of a new factSet, named by their outcome.
const (
	shipped    = "order-shipped"
	paid       = "order-paid"
	cancelled  = "order-cancelled" // after its fulfilment began, and after the customer was told yes
	undone     = "order-undone"    // before its fulfilment began
	rejected   = "order-rejected"
	held       = "order-held"
	approved   = "order-approved"
	fulfilling = "order-fulfilling"
	invalid    = "order-invalid"

	customer = "customer-1"
)

var (
	noon    = time.Date(2025, time.January, 31, 12, 0, 0, 0, time.UTC)
	hundred = order.Money{Minor: 100_00, Currency: "USD"}
	lines   = facts.Lines{Count: 2, Digest: "two lines"}
)

// factSet is a set of facts that violates no invariant.
type factSet struct{ *facts.Facts }

func newFactSet() factSet {
	w := factSet{facts.New()}
	w.Group = facts.Group{Exists: true}
	w.credit(facts.CreditEvent{Type: facts.CreditOpened, Named: customer, Limit: money(650_00)})
	for _, id := range []string{shipped, paid, cancelled, undone, rejected, held, approved, fulfilling} {
		w.place(id)
	}
	w.ship(shipped)
	w.pay(paid)
	w.cancel(cancelled)
	w.undo(undone)
	w.start(fulfilling)
	w.credit(facts.CreditEvent{Type: facts.CreditLimit, Named: customer, Limit: money(250_00)})
	w.reject(rejected)
	w.exceed(held, true)
	w.run(held, facts.RunOpen, "on-hold", "", "")
	w.exceed(approved, true)
	w.approve(approved)
	o := w.Order(invalid)
	o.Placed = []facts.Placed{{EventID: eventOf(invalid), At: noon, Fault: "customerId: is missing"}}
	o.Parked = []facts.Parked{{Reason: "customerId: is missing", At: noon}}
	w.publish()
	w.project()
	return w
}

func money(minor int64) order.Money { return order.Money{Minor: minor, Currency: "USD"} }

func eventOf(id string) string { return "placed " + id }

func (w factSet) place(id string) {
	o := w.Order(id)
	o.Placed = []facts.Placed{{
		EventID: eventOf(id), At: noon, CustomerID: customer, Total: hundred, PlacedAt: noon, Email: id + "@example.com", Lines: lines,
	}}
}

// credit appends an event to the only account, with the id that its writer would use.
func (w factSet) credit(e facts.CreditEvent) {
	a := w.Account(customer)
	e.CustomerID, e.Revision, e.DataHash = customer, uint64(len(a.Events)), "hash "+strconv.Itoa(len(a.Events))
	step := map[string]string{facts.CreditReserved: "reserve", facts.CreditExceeded: "reserve", facts.CreditReleased: "release"}[e.Type]
	if e.ApprovedBy != "" {
		step = "approve"
	}
	about := step + " " + e.OrderID
	if e.FreedBy != "" {
		about, e.Causation = "review ", e.FreedBy
	}
	name := []string{"orderflow:credit-" + customer, about, "0", e.Type, e.DataHash}
	e.EventID = uuid.NewSHA1(uuid.NameSpaceURL, []byte(strings.Join(name, "\n"))).String()
	if e.OrderID != "" {
		if e.Causation == "" {
			e.Causation = eventOf(e.OrderID)
		}
		o := w.Order(e.OrderID)
		o.Credit = append(o.Credit, e)
	}
	a.Events = append(a.Events, e)
}

func (w factSet) reserve(id string) {
	w.credit(facts.CreditEvent{Type: facts.CreditReserved, OrderID: id, Amount: hundred})
}

func (w factSet) exceed(id string, held bool) {
	// Shipped and fulfilling hold 200.00 of the 250.00 that the limit is by then.
	w.credit(facts.CreditEvent{Type: facts.CreditExceeded, OrderID: id, Amount: hundred, Available: money(50_00), Held: held})
}

// raise raises the limit so that everything fits, and returns the event's id.
func (w factSet) raise() string {
	w.credit(facts.CreditEvent{Type: facts.CreditLimit, Named: customer, Limit: money(2000_00)})
	events := w.Account(customer).Events
	return events[len(events)-1].EventID
}

// holdLate puts another order on hold, after all others.
func (w factSet) holdLate() (id string) {
	id = "order-late"
	w.place(id)
	w.credit(facts.CreditEvent{Type: facts.CreditExceeded, OrderID: id, Amount: hundred, Available: money(0), Held: true})
	w.run(id, facts.RunOpen, "on-hold", "", "")
	return id
}

func (w factSet) release(id, reason string, amount order.Money) {
	w.credit(facts.CreditEvent{Type: facts.CreditReleased, OrderID: id, Amount: amount, Reason: reason})
}

func (w factSet) run(id string, run facts.RunStatus, attribute string, status order.Status, reason order.Reason) {
	r := facts.Run{
		WorkflowID: id, RunID: "run of " + id, Chain: "run of " + id, Status: run, Closed: noon, SourceEventID: eventOf(id),
		OrderStatus: attribute, Input: facts.Input{CustomerID: customer, Total: hundred, SourceEventID: eventOf(id)},
	}
	if status != "" {
		r.Outcome = &facts.Outcome{Status: status, Reason: reason}
	}
	o := w.Order(id)
	o.Runs = append(o.Runs, r)
}

// row adds the versions of a row, and the row as the last version.
func (w factSet) row(id string, l facts.Lines, reason order.Reason, statuses ...order.Status) {
	o := w.Order(id)
	before, last := "", order.Status("")
	for i, status := range statuses {
		content := id + " " + string(status)
		o.Versions = append(o.Versions, facts.Version{
			Revision: int64(i), Type: map[order.Status]string{
				order.StatusFulfilling: "order-approved", order.StatusShipped: "order-shipped",
				order.StatusRejected: "order-rejected", order.StatusCancelled: "order-cancelled",
			}[status], Old: before, New: content, Status: status,
		})
		before, last = content, status
	}
	o.Row = &facts.Row{
		CustomerID: customer, Status: last, Reason: reason, Total: hundred, SourceEventID: eventOf(id), PlacedAt: noon,
		Revision: int64(len(statuses) - 1), Content: before, Lines: l,
	}
}

func (w factSet) mail(id, kind string) {
	o := w.Order(id)
	message := kind + " of " + id
	o.Mails = append(o.Mails, facts.Mail{Kind: kind, Status: "sent", Recipient: id + "@example.com", MessageIDs: []string{message}})
	o.Messages = append(o.Messages, facts.Message{ID: message, Kind: kind, OrderTag: id, To: id + "@example.com"})
}

func (w factSet) start(id string) {
	w.reserve(id)
	w.run(id, facts.RunOpen, "fulfilling", "", "")
	w.row(id, lines, "", order.StatusFulfilling)
	w.mail(id, "confirmation")
}

// part ships a part of a fulfilling order of two pieces.
func (w factSet) part(id string, quantity int) {
	o := w.Order(id)
	n := len(o.Row.Parcels) + 1
	o.Row.Quantities = []int{2}
	o.Row.Parcels = append(o.Row.Parcels, order.Parcel{
		Shipment: order.Shipment{Carrier: "DHL", TrackingNumber: strconv.Itoa(n)}, Lines: []order.ParcelLine{{Line: 1, Quantity: quantity}},
	})
	content := o.Row.Content + ", " + strconv.Itoa(n)
	o.Versions = append(o.Versions, facts.Version{
		Revision: int64(n), Type: "order-parcel-shipped", Old: o.Row.Content, New: content, Status: order.StatusFulfilling, Parcels: n,
	})
	o.Row.Revision, o.Row.Content = int64(n), content
	w.mail(id, map[int]string{1: "shipment", 2: "shipment-2"}[n])
}

func (w factSet) ship(id string) {
	w.reserve(id)
	w.run(id, facts.RunCompleted, "shipped", order.StatusShipped, "")
	w.row(id, lines, "", order.StatusFulfilling, order.StatusShipped)
	w.mail(id, "confirmation")
	w.mail(id, "shipment")
}

func (w factSet) pay(id string) {
	w.start(id)
	o := w.Order(id)
	o.Payments = []facts.Payment{{Revision: 1, EventID: "paid " + id, Amount: hundred}}
	o.Settlements = []facts.Run{{WorkflowID: "settlement-" + id + "-1", Chain: "1", Status: facts.RunCompleted}}
	w.credit(facts.CreditEvent{Type: facts.CreditReleased, OrderID: id, Amount: hundred, Reason: "paid", Causation: "paid " + id})
}

func (w factSet) cancel(id string) {
	w.reserve(id)
	w.release(id, "CANCELLED", hundred)
	w.run(id, facts.RunCanceled, "cancelled", order.StatusCancelled, order.ReasonCancelled)
	w.row(id, lines, order.ReasonCancelled, order.StatusFulfilling, order.StatusCancelled)
	w.mail(id, "confirmation")
	w.mail(id, "cancellation")
	w.Order(id).Cancellations = []facts.Cancellation{{Revision: 1, EventID: "cancellation of " + id}}
}

func (w factSet) undo(id string) {
	w.release(id, "CANCELLED", money(0))
	w.run(id, facts.RunCompleted, "cancelled", order.StatusCancelled, order.ReasonCancelled)
	w.row(id, facts.Lines{}, order.ReasonCancelled, order.StatusCancelled)
}

func (w factSet) reject(id string) {
	w.exceed(id, false)
	w.run(id, facts.RunCompleted, "rejected", order.StatusRejected, order.ReasonInsufficientCredit)
	w.row(id, lines, order.ReasonInsufficientCredit, order.StatusRejected)
	w.mail(id, "rejection")
}

func (w factSet) approve(id string) {
	w.credit(facts.CreditEvent{Type: facts.CreditReserved, OrderID: id, Amount: hundred, ApprovedBy: "op-1"})
	w.run(id, facts.RunOpen, "fulfilling", "", "")
	w.row(id, lines, "", order.StatusFulfilling)
	w.mail(id, "confirmation")
}

// endHold ends the hold of a rejected order's run with the given turn.
func (w factSet) endHold(id string, reason order.Reason, turn facts.Turn) {
	o := w.Order(id)
	o.Runs[0].HoldEnd, o.Runs[0].Outcome.Reason, o.Row.Reason = &turn, reason, reason
}
