package chart

import (
	"orderflow/dev/bench/internal/measure"
)

// rowHeight and ratiosLeft are of the chart with ratios.
const (
	rowHeight  = 30
	ratiosLeft = 300
)

// NamedRatio is a ratio and the label of its bar.
type NamedRatio struct {
	Label string
	measure.Ratio
}

type ratiosView struct {
	Width, Height            int
	Left, Right, Top, Bottom float64
	Ticks                    []tick
	Bars                     []bar
}

type bar struct {
	Label, Color    string
	Y, Length       float64
	Least, Greatest float64 // of the whisker
	Goal            float64 // 0 without one
}

// Ratios draws a bar for each of at least one ratio, with its range and its goal.
func Ratios(ratios []NamedRatio) ([]byte, error) {
	end := 1.0
	for _, r := range ratios {
		end = max(end, r.Range[1], r.Goal.Value)
	}
	height := top + rowHeight*len(ratios) + bottom
	v := ratiosView{Width: width, Height: height, Left: ratiosLeft, Right: width - right, Top: top, Bottom: float64(height - bottom)}
	x := axis{end: end * 1.05, from: v.Left, to: v.Right}
	v.Ticks = x.ticks()
	for i, r := range ratios {
		b := bar{
			Label: r.Label, Color: colors[0], Y: v.Top + float64(rowHeight*i) + 6, Length: x.at(r.Median) - v.Left,
			Least: x.at(r.Range[0]), Greatest: x.at(r.Range[1]),
		}
		if !r.Goal.IsZero() {
			b.Goal = x.at(r.Goal.Value)
		}
		if !r.Goal.Met(r.Median) {
			b.Color = colors[1]
		}
		v.Bars = append(v.Bars, b)
	}
	return render(ratiosTemplate, v)
}
