package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/bench/internal/measure"
)

// texts decodes a chart and returns its texts.
func texts(t *testing.T, svg []byte) []string {
	t.Helper()
	var found []string
	decoder := xml.NewDecoder(strings.NewReader(string(svg)))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if data, ok := token.(xml.CharData); ok && strings.TrimSpace(string(data)) != "" {
			found = append(found, string(data))
		}
	}
}

func TestLines(t *testing.T) {
	t.Parallel()
	svg, err := Lines(measure.Chart{
		Title: "Confirmed <& shipped>", X: "time (s)", Y: "orders",
		Lines: []measure.Line{{Name: "a", Points: [][2]float64{{0, 0}, {10, 1000}}}, {Name: "b", Points: [][2]float64{{5, 500}}}},
	})
	require.NoError(t, err)
	require.Subset(t, texts(t, svg), []string{"Confirmed <& shipped>", "time (s)", "orders", "a", "b", "0", "10", "1000"})
	require.Contains(t, string(svg), `points="72.0,344.0 736.0,69.7"`)
}

func TestLines_Zero(t *testing.T) {
	t.Parallel()
	svg, err := Lines(measure.Chart{Lines: []measure.Line{{Points: [][2]float64{{0, 0}}}}})
	require.NoError(t, err)
	require.NotContains(t, string(svg), "NaN")
}

func TestGoals(t *testing.T) {
	t.Parallel()
	svg, err := Goals([]Result{
		{"bridge", measure.AtLeast(0.9), 0.95, [2]float64{0.9, 1}},
		{"backlog", measure.AtMost(1.1), 2, [2]float64{2, 2}},
	})
	require.NoError(t, err)
	require.Subset(t, texts(t, svg), []string{"bridge", "backlog", "0.0", "1.0", "2.0"})
	require.Contains(t, string(svg), colors[1], "a missed goal has another color")
}

func TestShare(t *testing.T) {
	t.Parallel()
	require.InDelta(t, 0.5, share(measure.AtLeast(2), 1), 1e-9)
	require.InDelta(t, 0.5, share(measure.AtMost(1), 2), 1e-9)
	require.InDelta(t, 1, share(measure.AtMost(3), 3), 1e-9)
	require.InDelta(t, goalsEnd, share(measure.AtLeast(1), 40), 1e-9)
	require.InDelta(t, goalsEnd, share(measure.AtMost(1), 0), 1e-9)
}

func TestRoundStep(t *testing.T) {
	t.Parallel()
	for least, want := range map[float64]float64{0.3: 0.5, 1: 1, 1.2: 2, 21: 50, 70: 100} {
		require.InDelta(t, want, roundStep(least), 1e-9)
	}
}
