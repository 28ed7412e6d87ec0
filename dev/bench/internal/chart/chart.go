// Package chart draws results as SVG, from small templates. The same result is always the
// same file, byte for byte.
package chart

import (
	"bytes"
	_ "embed"
	"fmt"
	"math"
	"strconv"
	"text/template"
)

// The size of a chart, and the margins around the area of its data, in pixels.
const (
	width  = 760
	top    = 56
	right  = 24
	bottom = 56
)

// colors tell the lines of a chart apart, also for color-blind readers.
var colors = []string{"#0072b2", "#d55e00", "#009e73", "#cc79a7"}

var (
	//go:embed lines.svg.tmpl
	linesText string
	//go:embed goals.svg.tmpl
	goalsText string

	linesTemplate = parse("lines", linesText)
	goalsTemplate = parse("goals", goalsText)
)

func parse(name, text string) *template.Template {
	functions := template.FuncMap{
		"px":  func(v float64) string { return strconv.FormatFloat(v, 'f', 1, 64) },
		"add": func(a, b float64) float64 { return a + b },
	}
	return template.Must(template.New(name).Funcs(functions).Parse(text))
}

func render(t *template.Template, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("chart: %w", err)
	}
	return b.Bytes(), nil
}

// axis maps values from 0 to its end to pixels.
type axis struct {
	end      float64
	from, to float64 // pixels of 0 and of the end
}

func (a axis) at(value float64) float64 { return a.from + (a.to-a.from)*value/a.end }

// tick is a labeled position on an axis.
type tick struct {
	At    float64
	Label string
}

// ticks returns about five ticks at round values.
func (a axis) ticks() []tick {
	step := roundStep(a.end / 5)
	digits := max(0, -int(math.Floor(math.Log10(step))))
	var ticks []tick
	for i := 0; float64(i)*step <= a.end*1.0001; i++ {
		value := float64(i) * step
		ticks = append(ticks, tick{At: a.at(value), Label: strconv.FormatFloat(value, 'f', digits, 64)})
	}
	return ticks
}

// roundStep returns the smallest of 1, 2 and 5 times a power of ten that is not below a
// step.
func roundStep(least float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, factor := range []float64{1, 2, 5} {
		if factor*power >= least {
			return factor * power
		}
	}
	return 10 * power
}
