package page

import (
	"orderflow/dev/bench/internal/chart"
	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/report"
)

// chartFolder is where the page finds the charts, relative to its own folder.
const chartFolder = "images"

// chartPrefix begins the names of the charts' files, and of no others in their folder.
const chartPrefix = "performance-"

const goalsFile = chartPrefix + "goals.svg"

// chartFile returns the name of the file of a scenario's chart.
func chartFile(scenario, name string) string { return chartPrefix + scenario + "-" + name + ".svg" }

// Charts returns the charts by file name: one of all values with a goal, and those of the
// scenarios.
func Charts(r report.Report) (map[string][]byte, error) {
	charts := map[string][]byte{}
	var results []chart.Result
	for _, s := range r.Scenarios {
		results = append(results, resultsOf(s)...)
		if err := drawAll(charts, s.Name, s.Charts); err != nil {
			return nil, err
		}
	}
	drawn, err := chart.Goals(results)
	charts[goalsFile] = drawn
	return charts, err
}

// resultsOf returns everything in a scenario that has a goal.
func resultsOf(s report.Scenario) []chart.Result {
	var results []chart.Result
	for _, r := range s.Ratios {
		if !r.Goal.IsZero() {
			results = append(results, chart.Result{Label: s.Name + ": " + r.Name, Goal: r.Goal, Value: r.Median, Range: r.Range})
		}
	}
	for _, f := range s.Figures {
		if !f.Goal.IsZero() {
			results = append(results, chart.Result{Label: s.Name + ": " + f.Name, Goal: f.Goal, Value: f.Value, Range: [2]float64{f.Value, f.Value}})
		}
	}
	return results
}

func drawAll(to map[string][]byte, scenario string, charts []measure.Chart) error {
	for _, c := range charts {
		drawn, err := chart.Lines(c)
		if err != nil {
			return err
		}
		to[chartFile(scenario, c.Name)] = drawn
	}
	return nil
}
