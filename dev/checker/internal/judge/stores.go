package judge

import (
	"fmt"

	"orderflow/dev/checker/internal/facts"
)

func stores() []Invariant {
	return []Invariant{
		{"group.drained", "the subscription group has acknowledged every event", drained},
		{"privacy", "names, addresses and telephone numbers are in no history, memo, image, credit stream or log", privacy},
		{"privacy.erased", "an order that was erased has no stream, and no name, address or telephone number in any table", eachOrder(erased)},
	}
}

func drained(f *facts.Facts) []Violation {
	var found []Violation
	for _, detail := range pick(
		broken{!f.Group.Exists, "the group does not exist"},
		broken{f.Group.Lag > 0, fmt.Sprintf("%d events are above the checkpoint", f.Group.Lag)},
		broken{f.Group.InFlight > 0, fmt.Sprintf("%d events were delivered and not acknowledged", f.Group.InFlight)},
		broken{f.Group.Retrying > 0, fmt.Sprintf("%d events wait for redelivery", f.Group.Retrying)},
	) {
		found = append(found, Violation{Detail: detail})
	}
	return found
}

func erased(o *facts.Order) []string {
	if o.Row == nil || !o.Row.Erased {
		return nil
	}
	details := pick(broken{!o.Deleted, "was erased, and its stream can be read"})
	for _, table := range o.Row.Remains {
		details = append(details, "was erased, and its personal data is in "+table)
	}
	for _, m := range o.Mails {
		details = append(details, pick(broken{m.Recipient != "", fmt.Sprintf("was erased, and the %s email has an address", m.Kind)})...)
	}
	return details
}

func privacy(f *facts.Facts) []Violation {
	var found []Violation
	for _, leak := range f.Leaks {
		found = append(found, Violation{Order: leak.Order, Detail: "personal data in " + leak.Where + ": " + leak.What})
	}
	return found
}
