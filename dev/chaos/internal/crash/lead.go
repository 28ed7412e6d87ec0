package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
)

// leads says by which fates of the workload's orders a process comes to its points, by their step. An order that is cancelled
// early may never come to what is not done yet.
func leads() map[string][]string {
	const shipped, cancelled, paid = "shipped-early", "cancelled-by-event", "paid-early"
	return map[string][]string{
		"start":             {shipped},
		"signal":            {cancelled},
		"start-early":       {"cancelled-first"},
		"settlement":        {paid},
		"ack":               {shipped, cancelled, paid},
		"park":              {"invalid"},
		"reserve":           {shipped, paid},
		"release":           {cancelled},
		"settle":            {paid},
		"start-fulfillment": {shipped, paid},
		"close-fulfillment": {shipped, cancelled},
		"transaction":       {shipped, cancelled},
		"mail-claim":        {shipped, paid},
		"mail-send":         {shipped, paid},
		"mail-settle":       {shipped, paid},
		"append":            {shipped, cancelled},
		"mark":              {shipped, cancelled},
		"confirm":           {shipped, cancelled},
		"set-aside":         {"intruded"},
		"snapshot":          {shipped, cancelled},
		"project":           {shipped, cancelled, paid},
		"rebuild":           {shipped, cancelled, paid},
		"place":             {"posted-twice"},
		"cancel":            {"cancelled-by-http"},
		"request":           {"cancelled-at-once"},
		"open":              {"opened-by-http"},
		"limit":             {"opened-by-http"},
	}
}

// errand is what an operator has a binary do.
type errand struct {
	line []string // the binary and its arguments
	dies bool     // the point is in the errand itself, not in the process that works all the time
}

// errands lists the steps that no order leads to by itself.
func errands() map[string]errand {
	return map[string]errand{
		"snapshot": {line: []string{"publisher", "snapshot"}},
		"rebuild":  {line: []string{"projector", "rebuild"}, dies: true},
	}
}

// stepOf is the middle of a point's name.
func stepOf(point string) string {
	_, step, _ := strings.Cut(point, ".")
	step, _, _ = strings.Cut(step, ".")
	return step
}

// seldom tells the steps that many orders take at once, at most once a second or as one batch.
func seldom(step string) bool {
	return slices.Contains([]string{"mark", "confirm", "snapshot", "project"}, step)
}

// leadTo picks a fate that leads to a point. A step that none leads to could never be crashed at.
func leadTo(point string, random *rand.Rand) (fate string, err error) {
	fates := leads()[stepOf(point)]
	if len(fates) == 0 {
		return "", fmt.Errorf("%s: no fate of an order leads there", point)
	}
	return fates[random.IntN(len(fates))], nil
}
