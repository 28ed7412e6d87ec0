package report

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"orderflow/dev/bench/internal/measure"
)

// Row is a line of a table: a ratio or a figure as text.
type Row struct {
	Scenario string
	Name     string
	Value    string // the ratio's median, or the figure or the percentiles with their unit
	Spread   string // the least and the greatest ratio; empty for a single round
	Product  string // median of the product's samples, with its unit
	Ceiling  string // median of the ceiling's samples, and what the ceiling is
	Goal     string
	Verdict  string // met, missed, or empty without a goal
}

// Rows returns the lines of all scenarios, ratios before figures.
func (r Report) Rows() []Row {
	var rows []Row
	for _, s := range r.Scenarios {
		if s.Error != "" {
			rows = append(rows, Row{Scenario: s.Name, Name: s.Title, Verdict: "failed"})
		}
		for _, ratio := range s.Ratios {
			rows = append(rows, rowOfRatio(s.Name, ratio))
		}
		rows = append(rows, rowsOfFigures(s.Name, s.Figures)...)
	}
	return rows
}

// rowsOfFigures returns a row for each figure, and a single one for all percentiles of the
// same latency.
func rowsOfFigures(scenario string, figures []measure.Figure) []Row {
	var rows []Row
	for i := 0; i < len(figures); {
		f := figures[i]
		row := Row{Scenario: scenario, Name: f.Name, Value: Number(f.Value) + " " + f.Unit, Goal: f.Goal.String(), Verdict: verdict(f.Goal, f.Value)}
		count := 1
		if name, percentiles := measure.LatenciesAt(figures, i); name != "" {
			count = len(percentiles)
			row = rowOfLatencies(scenario, name, percentiles, figures[i:i+count])
		}
		rows = append(rows, row)
		i += count
	}
	return rows
}

func rowOfLatencies(scenario, name string, percentiles []string, figures []measure.Figure) Row {
	var values, goals []string
	met := true
	for i, f := range figures {
		values = append(values, percentiles[i]+" "+Number(f.Value))
		if !f.Goal.IsZero() {
			goals = append(goals, percentiles[i]+" "+f.Goal.String())
			met = met && f.Goal.Met(f.Value)
		}
	}
	samples := ""
	if figures[0].Samples > 0 {
		samples = fmt.Sprintf(" of %d", figures[0].Samples)
	}
	row := Row{Scenario: scenario, Name: name, Value: strings.Join(values, ", ") + " " + figures[0].Unit + samples, Goal: strings.Join(goals, ", ")}
	switch {
	case len(goals) > 0 && met:
		row.Verdict = verdictMet
	case len(goals) > 0:
		row.Verdict = verdictMissed
	}
	return row
}

func rowOfRatio(scenario string, r measure.Ratio) Row {
	product, ceiling := r.Sides()
	spread := ""
	if len(r.Rounds) > 1 {
		spread = ratioText(r.Range[0]) + " to " + ratioText(r.Range[1])
	}
	return Row{
		Scenario: scenario, Name: r.Name, Value: ratioText(r.Median), Spread: spread,
		Product: Number(product) + " " + r.Unit, Ceiling: fmt.Sprintf("%s (%s)", Number(ceiling), r.Ceiling),
		Goal: r.Goal.String(), Verdict: verdict(r.Goal, r.Median),
	}
}

func ratioText(ratio float64) string { return strconv.FormatFloat(ratio, 'f', 2, 64) }

// The verdicts on a value with a goal.
const (
	verdictMet    = "met"
	verdictMissed = "missed"
)

func verdict(g measure.Goal, value float64) string {
	switch {
	case g.IsZero():
		return ""
	case g.Met(value):
		return verdictMet
	default:
		return verdictMissed
	}
}

// Number returns a value with three significant digits, or all digits before the point.
func Number(value float64) string {
	if value == 0 || math.IsInf(value, 0) || math.IsNaN(value) {
		return strconv.FormatFloat(value, 'f', -1, 64)
	}
	digits := 2 - int(math.Floor(math.Log10(math.Abs(value))))
	return strconv.FormatFloat(value, 'f', max(0, digits), 64)
}

// Table writes the rows for a terminal.
func (r Report) Table(to io.Writer) error {
	columns := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(columns, "SCENARIO\tMEASURED\tVALUE\tSPREAD\tPRODUCT\tCEILING\tGOAL\t")
	for _, row := range r.Rows() {
		goal := strings.TrimSpace(row.Goal + " " + row.Verdict)
		_, _ = fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n",
			row.Scenario, row.Name, row.Value, row.Spread, row.Product, row.Ceiling, goal)
	}
	return columns.Flush()
}
