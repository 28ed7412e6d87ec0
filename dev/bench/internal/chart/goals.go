package chart

import (
	"math"

	"orderflow/dev/bench/internal/measure"
)

// rowHeight and goalsLeft are of the chart of goals. Values beyond goalsEnd are cut off.
const (
	rowHeight = 24
	goalsLeft = 400
	goalsEnd  = 2.0
)

// Result is a value with a goal, the least and the greatest sample, and the label of its
// bar.
type Result struct {
	Label string
	Goal  measure.Goal
	Value float64
	Range [2]float64 // equal to the value if there is only one sample
}

type goalsView struct {
	Width, Height                 int
	Left, Right, Top, Bottom, One float64
	Ticks                         []tick
	Bars                          []bar
}

type bar struct {
	Label, Color    string
	Y, Length       float64
	Least, Greatest float64 // of the whisker
}

// Goals draws a bar for each of at least one value with a goal, as a share of the goal: a
// bar that reaches 1 meets it, whether the value should be large or small.
func Goals(results []Result) ([]byte, error) {
	height := top + rowHeight*len(results) + bottom
	v := goalsView{Width: width, Height: height, Left: goalsLeft, Right: width - right, Top: top, Bottom: float64(height - bottom)}
	x := axis{end: goalsEnd, from: v.Left, to: v.Right}
	v.Ticks, v.One = x.ticks(), x.at(1)
	for i, r := range results {
		b := bar{
			Label: r.Label, Color: colors[0], Y: v.Top + float64(rowHeight*i) + 4,
			Length: x.at(share(r.Goal, r.Value)) - v.Left, Least: x.at(share(r.Goal, r.Range[0])), Greatest: x.at(share(r.Goal, r.Range[1])),
		}
		if !r.Goal.Met(r.Value) {
			b.Color = colors[1]
		}
		v.Bars = append(v.Bars, b)
	}
	return render(goalsTemplate, v)
}

// share returns how much of a goal a value reaches, at most goalsEnd.
func share(g measure.Goal, value float64) float64 {
	of := value / g.Value
	if !g.Met(math.Inf(1)) { // the value should be small
		of = 1 / of
	}
	return min(of, goalsEnd)
}
