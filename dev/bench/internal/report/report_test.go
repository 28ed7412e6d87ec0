package report

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/bench/internal/measure"
)

func sample() Report {
	return Report{
		Size: "short", Rounds: 2, Began: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: ThisMachine(),
		Scenarios: []Scenario{
			{Name: "bridge", Title: "Bridge", Result: measure.Result{
				Ratios: []measure.Ratio{measure.NewRatio("starts", "starts/s", "bare", measure.AtLeast(0.95), []measure.Round{
					{Product: 90, Ceiling: 100}, {Product: 100, Ceiling: 100},
				})},
			}},
			{Name: "memory", Title: "Memory", Result: measure.Result{
				Figures: []measure.Figure{{Name: "starter", Unit: "MiB", Value: 70.25, Goal: measure.AtMost(64)}},
			}},
			{Name: "latency", Title: "Latency", Result: measure.Result{
				Figures: measure.Latencies("to confirmed", []time.Duration{time.Second}, measure.AtMost(2), measure.AtMost(0.5)),
				Charts: []measure.Chart{{
					Name: "confirmed", Title: "Confirmed", X: "share (%)", Y: "latency (s)",
					Lines: []measure.Line{measure.NewLine("p50", [][2]float64{{25, 1}})},
				}},
			}},
			{Name: "growth", Title: "Growth", Error: "it took too long"},
		},
	}
}

func TestReport_Table(t *testing.T) {
	t.Parallel()
	var table bytes.Buffer
	require.NoError(t, sample().Table(&table))
	require.Regexp(t, `bridge +starts +0\.95 +0\.90 to 1\.00 +95\.0 starts/s +100 \(bare\) +>= 0\.95 met`, table.String())
	require.Regexp(t, `memory +starter +70\.2 MiB +<= 64 missed`, table.String())
	require.Regexp(t, `latency +to confirmed +p50 1\.00, p95 1\.00, p99 1\.00, max 1\.00 s of 1 +p99 <= 2, max <= 0\.5 missed`, table.String())
	require.Regexp(t, `growth +Growth +failed`, table.String())
}

func TestReport_WriteAndRead(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "new", "result.json")
	require.NoError(t, sample().Write(file))

	read, err := Read(file)

	require.NoError(t, err)
	require.Equal(t, sample(), read)
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for want, value := range map[string]float64{"0": 0, "1234": 1234.4, "123": 123.4, "12.3": 12.34, "0.123": 0.1234, "0.0123": 0.01234} {
		require.Equal(t, want, Number(value))
	}
}
