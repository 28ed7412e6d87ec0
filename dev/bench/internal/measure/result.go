package measure

import (
	"fmt"
	"slices"
	"time"
)

// Result is what one scenario found out.
type Result struct {
	Ratios  []Ratio  `json:"ratios,omitempty"`
	Figures []Figure `json:"figures,omitempty"`
	Charts  []Chart  `json:"charts,omitempty"`
}

// Ratio compares the product with a ceiling, round by round. The ratio of a round does
// not depend on how fast the machine was during that round, which affects both sides.
type Ratio struct {
	Name    string     `json:"name"`
	Unit    string     `json:"unit"`          // of a sample, such as orders/s
	Ceiling string     `json:"ceiling"`       // what the product is compared with
	Goal    Goal       `json:"goal,omitzero"` // of the median
	Rounds  []Round    `json:"rounds"`        // at least one
	Median  float64    `json:"median"`        // of the rounds' ratios
	Range   [2]float64 `json:"range"`         // the least and the greatest of them
}

// Round is the samples of both sides that were taken one after the other.
type Round struct {
	Product float64 `json:"product"`
	Ceiling float64 `json:"ceiling"`
}

// NewRatio returns the ratio of at least one round.
func NewRatio(name, unit, ceiling string, goal Goal, rounds []Round) Ratio {
	ratios := make([]float64, len(rounds))
	for i, r := range rounds {
		ratios[i] = r.Product / r.Ceiling
	}
	return Ratio{
		Name: name, Unit: unit, Ceiling: ceiling, Goal: goal, Rounds: rounds,
		Median: Median(ratios), Range: [2]float64{slices.Min(ratios), slices.Max(ratios)},
	}
}

// Sides returns the medians of both sides' samples. Their quotient need not be the ratio,
// which is the median of quotients.
func (r Ratio) Sides() (product, ceiling float64) {
	products, ceilings := make([]float64, len(r.Rounds)), make([]float64, len(r.Rounds))
	for i, round := range r.Rounds {
		products[i], ceilings[i] = round.Product, round.Ceiling
	}
	return Median(products), Median(ceilings)
}

// Figure is a value that is not compared with a ceiling.
type Figure struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"` // such as s or MiB
	Value float64 `json:"value"`
	Goal  Goal    `json:"goal,omitzero"`
}

// Latencies returns the p50, p95, p99 and maximum of at least one duration, in seconds.
// The goals apply to the p99 and the maximum.
func Latencies(name string, samples []time.Duration, p99, most Goal) []Figure {
	sorted := slices.Sorted(slices.Values(samples))
	figures := make([]Figure, 0, 4)
	for _, point := range []struct {
		name string
		rank float64
		goal Goal
	}{{"p50", 0.50, Goal{}}, {"p95", 0.95, Goal{}}, {"p99", 0.99, p99}, {"max", 1, most}} {
		figures = append(figures, Figure{
			Name: fmt.Sprintf("%s, %s", name, point.name), Unit: "s", Value: percentile(sorted, point.rank).Seconds(), Goal: point.goal,
		})
	}
	return figures
}
