package measure

import (
	"math"
	"slices"
	"time"
)

// Median returns the median of at least one value: the mean of the two in the middle if
// their number is even.
func Median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[middle]
	}
	return (sorted[middle-1] + sorted[middle]) / 2
}

// percentile returns the smallest value that the share rank of all values does not exceed:
// the nearest rank, so it is always a value that was measured.
func percentile(sorted []time.Duration, rank float64) time.Duration {
	at := int(math.Ceil(rank*float64(len(sorted)))) - 1
	return sorted[max(0, at)]
}

// Mean returns the mean of at least one value.
func Mean(values []float64) float64 {
	var sum float64
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}
