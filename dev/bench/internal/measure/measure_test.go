package measure

import (
	"context"
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestRatio(t *testing.T) {
	t.Parallel()
	r := NewRatio("starts", "orders/s", "bare calls", AtLeast(0.9), []Round{{90, 100}, {50, 100}, {19, 20}})

	require.InDelta(t, 0.9, r.Median, 1e-9)
	require.Equal(t, [2]float64{0.5, 0.95}, r.Range)
	product, ceiling := r.Sides()
	require.InDelta(t, 50, product, 1e-9)
	require.InDelta(t, 100, ceiling, 1e-9)
}

func TestMedian_Even(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 2.5, Median([]float64{4, 1, 2, 3}), 1e-9)
}

func TestLatencies(t *testing.T) {
	t.Parallel()
	var samples []time.Duration
	for i := range 100 {
		samples = append(samples, time.Duration(100-i)*time.Second)
	}
	var found []float64
	for _, f := range Latencies("confirmed", samples, AtMost(1), AtMost(2)) {
		found = append(found, f.Value)
	}
	require.Equal(t, []float64{50, 95, 99, 100}, found)
	require.InDelta(t, 7, Latencies("one", []time.Duration{7 * time.Second}, Goal{}, Goal{})[0].Value, 1e-9)
}

func TestLatenciesAt(t *testing.T) {
	t.Parallel()
	figures := append([]Figure{{Name: "capacity"}}, Latencies("confirmed", []time.Duration{time.Second}, Goal{}, Goal{})...)
	for at, want := range []string{"", "confirmed", "", "", ""} {
		name, percentiles := LatenciesAt(figures, at)
		require.Equal(t, want, name)
		require.Equal(t, want != "", len(percentiles) == 4)
	}
}

func TestNewLine(t *testing.T) {
	t.Parallel()
	var points [][2]float64
	for i := range 1001 {
		points = append(points, [2]float64{float64(i), float64(i) / 3})
	}
	line := NewLine("many", points)
	require.Len(t, line.Points, 100)
	require.Equal(t, [2]float64{0, 0}, line.Points[0])
	require.Equal(t, [2]float64{1000, 333.3}, line.Points[99])
	require.Len(t, NewLine("one", points[:1]).Points, 1)
}

func TestGoal(t *testing.T) {
	t.Parallel()
	require.True(t, AtLeast(1).Met(1))
	require.False(t, AtLeast(1).Met(0.9))
	require.True(t, AtMost(1).Met(1))
	require.False(t, AtMost(1).Met(1.1))
	require.True(t, Goal{}.Met(0))
	body, err := json.Marshal(Figure{Name: "memory", Unit: "MiB", Value: 1})
	require.NoError(t, err)
	require.NotContains(t, string(body), "goal")
}

func TestInterleave(t *testing.T) {
	t.Parallel()
	var order string
	side := func(name string, value float64) Side {
		return func(context.Context, int) (float64, error) { order += name; return value, nil }
	}

	rounds, err := Interleave(t.Context(), 3, side("p", 1), side("c", 2))

	require.NoError(t, err)
	require.Equal(t, "pccppc", order)
	require.Equal(t, []Round{{1, 2}, {1, 2}, {1, 2}}, rounds)

	_, err = Interleave(t.Context(), 2, side("p", 1), func(context.Context, int) (float64, error) { return 0, errors.New("down") })
	require.EqualError(t, err, "round 1: ceiling: down")
}
