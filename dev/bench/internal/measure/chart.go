package measure

import "math"

// Chart shows samples over an axis, as lines.
type Chart struct {
	Name  string `json:"name"` // of its file, within the scenario's
	Title string `json:"title"`
	X     string `json:"x"` // label of the axis, with the unit
	Y     string `json:"y"`
	Lines []Line `json:"lines"` // at least one
}

// Line is a line of a chart.
type Line struct {
	Name   string       `json:"name"`
	Points [][2]float64 `json:"points"` // x and y, by rising x; at least one
}

// NewLine returns a line through at least one point. More points than a chart can show are
// thinned out, and coordinates are rounded to four significant digits.
func NewLine(name string, points [][2]float64) Line {
	const most = 100
	line := Line{Name: name}
	step := float64(len(points)-1) / float64(most-1)
	for i := range min(most, len(points)) {
		at := i
		if len(points) > most {
			at = int(math.Round(float64(i) * step))
		}
		line.Points = append(line.Points, [2]float64{rounded(points[at][0]), rounded(points[at][1])})
	}
	return line
}

func rounded(value float64) float64 {
	if value == 0 {
		return 0
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(value))))
	return math.Round(value*scale) / scale
}
