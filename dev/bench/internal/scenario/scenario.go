package scenario

import (
	"context"

	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/rig"
)

// Scenario is one thing that the benchmark measures.
type Scenario struct {
	Name  string // for --only
	Title string // what is measured, as a heading
	About string // how it is measured and what the ceiling is, for the reader of the result
	Run   func(ctx context.Context, servers *rig.Rig, size Size) (measure.Result, error)
}

// The scenarios and ratios that the scaling calculation reads.
const (
	BridgeName   = "bridge"
	StartsRatio  = "events to started workflows"
	PipelineName = "pipeline"
	ShippedRatio = "placed to shipped"
)

// Size says how large a run is.
type Size struct {
	Full   bool // the large sizes
	Rounds int  // of an interleaved measurement; at least 1
	Orders int  // of each measurement, instead of what Pick chooses; 0 for a run that counts
}

// Pick returns the short or the full one of two numbers.
func (s Size) Pick(short, full int) int {
	switch {
	case s.Orders > 0:
		return s.Orders
	case s.Full:
		return full
	default:
		return short
	}
}

// warmUp returns how many orders run before anything is measured: pollers have grown,
// connections are open, and plans are cached afterwards.
func (s Size) warmUp() int { return min(40, s.Pick(40, 40)) }

// All returns the scenarios in the order in which they run.
func All() []Scenario {
	return []Scenario{
		bridgeStarts(),
		pipeline(),
		latency(),
		fairness(),
		backlog(),
		creditAccounts(),
		growth(),
		drain(),
		publish(),
		rebuild(),
		viewLag(),
	}
}
