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

const ratiosFile = chartPrefix + "ratios.svg"

// chartFile returns the name of the file of a scenario's chart.
func chartFile(scenario, name string) string { return chartPrefix + scenario + "-" + name + ".svg" }

// Charts returns the charts by file name: one of all ratios, and those of the scenarios.
func Charts(r report.Report) (map[string][]byte, error) {
	charts := map[string][]byte{}
	var ratios []chart.NamedRatio
	for _, s := range r.Scenarios {
		for _, ratio := range s.Ratios {
			ratios = append(ratios, chart.NamedRatio{Label: s.Name + ": " + ratio.Name, Ratio: ratio})
		}
		if err := drawAll(charts, s.Name, s.Charts); err != nil {
			return nil, err
		}
	}
	drawn, err := chart.Ratios(ratios)
	charts[ratiosFile] = drawn
	return charts, err
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
