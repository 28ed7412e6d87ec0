package chart

import (
	"cmp"
	"fmt"
	"strings"

	"orderflow/dev/bench/internal/measure"
)

// linesHeight and linesLeft are of a chart with lines.
const (
	linesHeight = 400
	linesLeft   = 72
)

type linesView struct {
	measure.Chart
	Width, Height            int
	Left, Right, Top, Bottom float64 // of the area of the data
	XTicks, YTicks           []tick
	Drawn                    []drawnLine
}

type drawnLine struct {
	Name, Color, Points string
	LegendX             float64
}

// Lines draws a chart with at least one line.
func Lines(c measure.Chart) ([]byte, error) {
	var most [2]float64
	for _, line := range c.Lines {
		for _, point := range line.Points {
			most[0], most[1] = max(most[0], point[0]), max(most[1], point[1])
		}
	}
	v := linesView{
		Chart: c, Width: width, Height: linesHeight,
		Left: linesLeft, Right: width - right, Top: top, Bottom: linesHeight - bottom,
	}
	x := axis{end: cmp.Or(most[0], 1), from: v.Left, to: v.Right}
	y := axis{end: cmp.Or(most[1], 1) * 1.05, from: v.Bottom, to: v.Top}
	v.XTicks, v.YTicks = x.ticks(), y.ticks()
	legend := v.Left
	for i, line := range c.Lines {
		v.Drawn = append(v.Drawn, drawnLine{Name: line.Name, Color: colors[i%len(colors)], Points: points(line, x, y), LegendX: legend})
		legend += 40 + 8*float64(len(line.Name))
	}
	return render(linesTemplate, v)
}

func points(line measure.Line, x, y axis) string {
	var b strings.Builder
	for i, p := range line.Points {
		if i > 0 {
			b.WriteByte(' ')
		}
		_, _ = fmt.Fprintf(&b, "%.1f,%.1f", x.at(p[0]), y.at(p[1]))
	}
	return b.String()
}
