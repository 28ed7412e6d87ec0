package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"orderflow/dev/chaos/internal/rig"
)

// routesToPoint maps each step to the scenarios of orders that lead a process to its
// points. An order that is canceled early may never reach later steps.
func routesToPoint() map[string][]string {
	const shipped, cancelled, paid = "shipped-early", "cancelled-by-event", "paid-early"
	return map[string][]string{
		"start":             {shipped},
		"signal":            {cancelled},
		"update":            {"shipped-by-event"},
		"start-early":       {"cancelled-first"},
		"start-per-event":   {paid},
		"ack":               {shipped, cancelled, paid},
		"park":              {"invalid"},
		"reserve":           {shipped, paid},
		"release":           {cancelled},
		"settle":            {paid},
		"review":            {"raised-on-hold"},
		"start-fulfillment": {shipped, paid},
		"close-fulfillment": {shipped, cancelled},
		"record-parcel":     {"shipped-in-parcels"},
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

// operatorCommand is a command that an operator runs.
type operatorCommand struct {
	line []string // the binary and its arguments
	dies bool     // the point is in the command itself, not in the process that runs all the time
}

// operatorCommands lists the steps that no order reaches without an operator.
func operatorCommands() map[string]operatorCommand {
	return map[string]operatorCommand{
		"snapshot": {line: []string{rig.Orderflow, "publisher", "snapshot"}},
		"rebuild":  {line: []string{rig.Orderflow, "view", "rebuild"}, dies: true},
	}
}

// stepOf returns the middle of a point's name.
func stepOf(point string) string {
	_, step, _ := strings.Cut(point, ".")
	step, _, _ = strings.Cut(step, ".")
	return step
}

// seldom reports whether only few of many orders reach the step: because they take it
// together, once a second or as one batch, or because it has to follow within seconds of a
// request, which it does not for most of a burst on a slow machine.
func seldom(step string) bool {
	return slices.Contains([]string{"mark", "confirm", "snapshot", "project", "cancel"}, step)
}

// leadTo picks a scenario of orders that leads to a point. A step that none leads to
// could never be crashed at.
func leadTo(point string, random *rand.Rand) (orderScenario string, err error) {
	scenarios := routesToPoint()[stepOf(point)]
	if len(scenarios) == 0 {
		return "", fmt.Errorf("%s: no order scenario leads there", point)
	}
	return scenarios[random.IntN(len(scenarios))], nil
}
