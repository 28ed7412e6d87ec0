package load

import (
	"context"
	"slices"
)

// step is a part of an order scenario.
type step func(ctx context.Context, l *orderDriver) error

// orderScenario is what happens to an order of the workload.
type orderScenario struct {
	name   string
	weight int // relative to the others

	held bool // it asks for more credit than its customer has
	own  bool // its customer has no other order
	http bool // it is placed by HTTP if it is placed at all, and it is left out without an api

	begin step // instead of placing it
	act   step // after a while

	open    bool // the workload leaves it fulfilling
	severed bool // its workflow is terminated, and an operator repairs the result
	hidden  bool // the projection never shows it, and an operator finds it
	lost    bool // it may be missing in the end: its stream is gone, or it could never be read
	never   bool // it must be missing in the end
}

// orderScenarios returns the table.
func orderScenarios() []orderScenario {
	return []orderScenario{
		{name: "left", weight: 8, open: true},
		{name: "shipped-by-signal", weight: 14, act: shipBySignal},
		{name: "shipped-by-update", weight: 14, act: shipByUpdate},
		{name: "shipped-by-event", weight: 6, act: shipByEvent},
		{name: "shipped-early", weight: 4, begin: steps(place, shipBySignal)},
		{name: "shipped-twice", weight: 3, act: shipTwice},
		{name: "shipped-in-parcels", weight: 6, act: steps(shipPart, together(shipPart, shipTooMuch, cancelBySignal), shipByUpdate)},
		{name: "shipped-in-part", weight: 3, act: shipPart, open: true},
		{name: "cancelled-by-signal", weight: 5, act: cancelBySignal},
		{name: "cancelled-by-update", weight: 4, act: cancelByUpdate},
		{name: "cancelled-natively", weight: 4, act: cancelNatively},
		{name: "cancelled-by-event", weight: 4, act: cancelByEvent, open: true},
		{name: "cancelled-first", weight: 3, begin: cancelFirst, open: true},
		{name: "closing-race", weight: 6, act: race},
		{name: "paid-and-shipped", weight: 6, act: steps(pay, shipByUpdate)},
		{name: "forgotten", weight: 2, own: true, act: steps(pay, shipByUpdate, forget)},
		{name: "paid-twice", weight: 3, act: steps(pay, pay), open: true},
		{name: "paid-first", weight: 2, begin: steps(place, pay), open: true},
		{name: "paid-early", weight: 2, begin: steps(place, pay, shipBySignal)},
		{name: "approved", weight: 4, held: true, own: true, act: steps(approve, shipBySignal)},
		{name: "approved-by-event", weight: 2, held: true, own: true, act: steps(approveByEvent, shipBySignal)},
		{name: "declined", weight: 2, held: true, own: true, act: decline},
		{name: "declined-by-event", weight: 1, held: true, own: true, act: declineByEvent},
		{name: "expired", weight: 2, held: true, own: true},
		{name: "decided-late", weight: 4, held: true, own: true, act: decideLate, open: true},
		{name: "gone", weight: 2, held: true, own: true, act: vanish},
		{name: "erased", weight: 2, own: true, begin: steps(place, erase), open: true, lost: true},
		{name: "unmailable", weight: 2, own: true, begin: placeUnmailable, act: shipBySignal},
		{name: "duplicate-event", weight: 3, act: steps(repeat, shipBySignal)},
		{name: "duplicate-order", weight: 3, own: true, act: steps(contradict, shipBySignal)},
		{name: "terminated", weight: 2, act: terminate, severed: true},
		{name: "hidden", weight: 1, open: true, hidden: true},
		{name: "intruded", weight: 1, begin: steps(intrude, place), act: shipBySignal},
		{name: "invalid", weight: 3, begin: placeInvalid, never: true},
		{name: "corrected", weight: 2, begin: steps(placeCut, place), act: shipBySignal},
		{name: "posted-twice", weight: 4, http: true, begin: postTwice, act: steps(shipByUpdate, look)},
		{name: "cancelled-by-http", weight: 6, http: true, act: steps(cancelByHTTP, look)},
		{name: "cancelled-at-once", weight: 3, http: true, begin: steps(post, cancelByHTTP)},
		{name: "shipped-by-http", weight: 3, http: true, act: steps(shipByHTTP, look)},
		{name: "approved-by-http", weight: 2, http: true, held: true, own: true, act: steps(approveByHTTP, shipByHTTP)},
		{name: "opened-by-http", weight: 3, http: true, held: true, own: true, begin: steps(open, raise, place), act: shipBySignal},
		{name: "raised-on-hold", weight: 3, http: true, held: true, own: true, begin: steps(open, place), act: steps(raiseOnHold, shipBySignal)},
		{name: "refused-by-http", weight: 2, http: true, begin: postInvalid, lost: true, never: true},
	}
}

// OrderScenarios returns the names of all scenarios.
func OrderScenarios() []string {
	var names []string
	for _, f := range orderScenarios() {
		names = append(names, f.name)
	}
	return slices.Sorted(slices.Values(names))
}
