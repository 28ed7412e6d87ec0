package crash

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// leads says by which fates of the workload's orders a process comes to its points, by their step. An order that is cancelled
// early may never come to what is not done yet.
func leads() map[string][]string {
	const shipped, cancelled, paid = "shipped-early", "cancelled-by-event", "paid-early"
	return map[string][]string{
		"start":             {shipped},
		"signal":            {cancelled},
		"signal-with-start": {"cancelled-first"},
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
	}
}

// stepOf is the middle of a point's name.
func stepOf(point string) string {
	_, step, _ := strings.Cut(point, ".")
	step, _, _ = strings.Cut(step, ".")
	return step
}

// byTheSecond tells the steps that many orders take at once, at most once a second.
func byTheSecond(step string) bool { return step == "mark" || step == "confirm" }

// leadTo picks a fate that leads to a point. A step that none leads to could never be crashed at.
func leadTo(point string, random *rand.Rand) (fate string, err error) {
	fates := leads()[stepOf(point)]
	if len(fates) == 0 {
		return "", fmt.Errorf("%s: no fate of an order leads there", point)
	}
	return fates[random.IntN(len(fates))], nil
}
