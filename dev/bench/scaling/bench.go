package main

import (
	"fmt"

	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/report"
	"orderflow/dev/bench/internal/scenario"
)

// bareTransitions are the writes of the history service for that workflow: the start, two
// for each activity, and two for each workflow task, of which it has one more than
// activities.
const bareTransitions = 1 + 2*scenario.ActivitiesShipped + 2*(scenario.ActivitiesShipped+1)

// measured is the throughput in one result, in which all servers and processes shared one
// machine. A rate is 0 if it was not measured.
type measured struct {
	cores   int
	starts  float64 // workflows that one starter starts a second
	shipped float64 // orders a second
	bare    float64 // bare workflows a second, without the product
}

func readMeasured(path string) (*measured, error) {
	r, err := report.Read(path)
	if err != nil {
		return nil, err
	}
	m := &measured{cores: max(1, r.Machine.Cores)}
	m.starts, _ = sides(r, scenario.BridgeName, scenario.StartsRatio)
	m.shipped, m.bare = sides(r, scenario.PipelineName, scenario.ShippedRatio)
	return m, nil
}

// sides returns the medians of a ratio's samples, or zeros if the result lacks it.
func sides(r report.Report, name, ratio string) (product, ceiling float64) {
	for _, s := range r.Scenarios {
		if s.Name != name {
			continue
		}
		if found := ratioOf(s.Result, ratio); found != nil {
			return found.Sides()
		}
	}
	return 0, 0
}

func ratioOf(r measure.Result, name string) *measure.Ratio {
	for i := range r.Ratios {
		if r.Ratios[i].Name == name && len(r.Ratios[i].Rounds) > 0 {
			return &r.Ratios[i]
		}
	}
	return nil
}

// predicted returns how many orders a second the machine would ship if all that an order
// costs were its state transitions in Temporal, each as expensive as those of the bare
// workflows. The other stores, which share the machine, are the difference to what was
// measured.
func (m *measured) predicted() float64 { return m.bare * bareTransitions / transitions }

// check compares the prediction with the measurement.
func (m *measured) check() string {
	if m.shipped == 0 || m.bare == 0 {
		return "the result has no orders that were shipped: run the benchmark's scenario " + scenario.PipelineName
	}
	return fmt.Sprintf("checked on %d processors: %.1f orders/s shipped, of %.1f/s predicted from Temporal alone (%.0f %%): %.1f bare workflows/s "+
		"of %d state transitions, and %d for an order",
		m.cores, m.shipped, m.predicted(), 100*m.shipped/m.predicted(), m.bare, bareTransitions, transitions)
}
