package judge

import (
	"fmt"
	"time"

	"orderflow/dev/checker/internal/facts"
)

// underWay is how long an email may take that was claimed before its address was
// suppressed.
const underWay = 30 * time.Second

// suppressed checks an order whose address takes no more email: none is sent any more, and
// the order's email stream says so.
func suppressed(o *facts.Order) []string {
	var details []string
	if o.Suppressed != nil {
		details = pick(broken{len(o.EmailEvents) == 0, "has a suppressed address, and its email stream does not say so"})
		for _, m := range o.Messages {
			late := m.At.After(o.Suppressed.Add(underWay))
			details = append(details, pick(broken{late, fmt.Sprintf("a %s email went to a suppressed address", m.Kind)})...)
		}
	}
	seen := map[facts.EmailEvent]bool{}
	for _, e := range o.EmailEvents {
		details = append(details, pick(
			broken{e.Fault != "", e.Fault},
			broken{seen[e], fmt.Sprintf("has the event %s of its %s email twice", e.Type, e.Kind)},
		)...)
		seen[e] = true
	}
	return details
}
