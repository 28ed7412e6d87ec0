package measure

import (
	"slices"
	"strings"
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

	Samples int `json:"samples,omitempty"` // that a percentile is of
}

// percentiles are what is kept of many durations, by the ends of their figures' names.
var percentiles = []struct {
	name string
	rank float64
}{{"p50", 0.50}, {"p95", 0.95}, {"p99", 0.99}, {"max", 1}}

// Latencies returns the p50, p95, p99 and maximum of at least one duration, in seconds.
// The goals apply to the p99 and the maximum.
func Latencies(name string, samples []time.Duration, p99, most Goal) []Figure {
	sorted := slices.Sorted(slices.Values(samples))
	figures := make([]Figure, 0, len(percentiles))
	for i, p := range percentiles {
		goals := []Goal{{}, {}, p99, most}
		figures = append(figures, Figure{Name: name + ", " + p.name, Unit: "s", Value: percentile(sorted, p.rank).Seconds(), Goal: goals[i],
			Samples: len(samples)})
	}
	return figures
}

// LatenciesAt returns the name of the latencies that begin at an index, and the names of
// their percentiles. It returns "" if other figures are there.
func LatenciesAt(figures []Figure, at int) (name string, names []string) {
	if len(figures)-at < len(percentiles) {
		return "", nil
	}
	name, found := strings.CutSuffix(figures[at].Name, ", "+percentiles[0].name)
	for i, p := range percentiles {
		found = found && figures[at+i].Name == name+", "+p.name
		names = append(names, p.name)
	}
	if !found {
		return "", nil
	}
	return name, names
}
