package judge

import (
	"fmt"

	"orderflow/dev/checker/internal/facts"
)

func stores() []Invariant {
	return []Invariant{
		{"group.drained", "the subscription group has acknowledged every event", drained},
		{"privacy", "names, addresses and telephone numbers are in no history, memo, image, credit stream or log", privacy},
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

func privacy(f *facts.Facts) []Violation {
	var found []Violation
	for _, leak := range f.Leaks {
		found = append(found, Violation{Order: leak.Order, Detail: "personal data in " + leak.Where + ": " + leak.What})
	}
	return found
}
