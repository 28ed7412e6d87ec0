package erasure

import (
	"context"
	"fmt"
	"slices"
	"time"

	"orderflow/internal/order"
	"orderflow/internal/postgres"
)

// State is whether a place still holds a person's data.
type State string

// The states of a place.
const (
	StateHeld    State = "held"    // it can be read
	StateDeleted State = "deleted" // it cannot be read by Orderflow, and is still on disk
	StateGone    State = "gone"
	StateUnknown State = "unknown" // it cannot be looked at from here
)

// Place is a place that holds, or held, a person's data.
type Place struct {
	Store  string `json:"store"`
	Place  string `json:"place"`
	State  State  `json:"state"`
	Detail string `json:"detail"`
}

// Report says where a person's data is.
type Report struct {
	Orders int     `json:"orders"`
	Places []Place `json:"places"`
}

// Left returns how many places in the stores still hold the person's data, readable or
// not. Backups do not count.
func (r Report) Left() (left int) {
	for _, place := range r.Places {
		if place.State == StateHeld || place.State == StateDeleted {
			left++
		}
	}
	return left
}

// The stores of a report.
const (
	storeEvents  = "KurrentDB"
	storeTables  = "PostgreSQL"
	storeBackups = "backups"
)

// Verify reports what still holds the personal data of the subject's orders. It changes
// nothing. It returns ErrNone if there is no order, and no trace of one.
func Verify(ctx context.Context, s Stores, subject Subject) (Report, error) {
	orders, err := s.find(ctx, subject, true)
	if err != nil {
		return Report{}, err
	}
	report := Report{Orders: len(orders)}
	report.events(orders)
	erasedAt, err := report.tables(ctx, s, orders)
	if err != nil {
		return Report{}, err
	}
	for _, one := range orders {
		erasedAt = later(erasedAt, one.stream.At)
	}
	report.add(storeBackups, "copies of both stores", StateUnknown, copiesUntil(erasedAt))
	return report, nil
}

func (r *Report) add(store, place string, state State, detail string) {
	r.Places = append(r.Places, Place{store, place, state, detail})
}

// events adds the orders' streams.
func (r *Report) events(orders []*found) {
	gone := 0
	for _, one := range orders {
		switch {
		case one.stream.Live:
			r.add(storeEvents, one.id, StateHeld, "the stream can be read")
		case one.stored:
			r.add(storeEvents, one.id, StateDeleted, "the stream was deleted"+since(one.stream.At)+" and is not scavenged")
		default:
			gone++
		}
		switch {
		case one.notes.Live:
			r.add(storeEvents, order.CreditDecisionStream(one.id), StateHeld, "the notes of decisions can be read")
		case one.noted:
			r.add(storeEvents, order.CreditDecisionStream(one.id), StateDeleted, "the stream was deleted"+since(one.notes.At)+" and is not scavenged")
		}
	}
	if gone > 0 {
		r.add(storeEvents, fmt.Sprintf("%d streams", gone), StateGone, "")
	}
}

// tables adds the rows and the emails, and returns when the last row was blanked.
func (r *Report) tables(ctx context.Context, s Stores, orders []*found) (erasedAt time.Time, err error) {
	gone, versions := 0, 0
	for some := range slices.Chunk(orders, batch) {
		remains, err := s.Rows.Remains(ctx, idsOf(some))
		if err != nil {
			return time.Time{}, err
		}
		for _, one := range remains {
			erasedAt = later(erasedAt, one.ErasedAt)
			if one.Person || one.Addresses > 0 {
				r.add(storeTables, one.OrderID, StateHeld, heldBy(one))
				continue
			}
			gone++
			if one.Versions && !one.ErasedAt.IsZero() { // else by an earlier version, or there was nothing to blank
				versions++
			}
		}
	}
	if gone > 0 {
		r.add(storeTables, fmt.Sprintf("%d rows with their emails", gone), StateGone, "")
		r.versions(versions, erasedAt)
	}
	return erasedAt, nil
}

// versions adds the versions that rows had before they were blanked.
func (r *Report) versions(left int, erasedAt time.Time) {
	const place = "earlier versions of rows"
	switch {
	case erasedAt.IsZero():
	case left == 0:
		r.add(storeTables, place, StateGone, "")
	default:
		r.add(storeTables, place, StateDeleted,
			fmt.Sprintf("of %d orders, not frozen%s: VACUUM (FREEZE) order_fulfillment, email_delivery", left, since(erasedAt)))
	}
}

func heldBy(one postgres.Remains) string {
	switch {
	case !one.Person:
		return fmt.Sprintf("%d email addresses", one.Addresses)
	case one.Addresses == 0:
		return "recipient or address"
	default:
		return fmt.Sprintf("recipient or address, and %d email addresses", one.Addresses)
	}
}

// copiesUntil says which copies hold the person.
func copiesUntil(erasedAt time.Time) string {
	if erasedAt.IsZero() {
		return "backups, archived logs and snapshots"
	}
	return "backups, archived logs and snapshots from before " + erasedAt.UTC().Format(time.RFC3339)
}

func since(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return " since " + at.UTC().Format(time.RFC3339)
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
