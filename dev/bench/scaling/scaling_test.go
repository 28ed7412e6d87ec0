package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/report"
	"orderflow/internal/config"
)

// value returns the value of one line of a plan.
func value(t *testing.T, lines []line, where, what string) string {
	t.Helper()
	for _, l := range lines {
		if l.where == where && strings.HasPrefix(l.what, what) {
			return l.value
		}
	}
	require.Fail(t, "no line", "%s, %s", where, what)
	return ""
}

// defaultWorker returns the worker's default settings.
func defaultWorker(t *testing.T) config.Worker {
	t.Helper()
	w, err := config.Load[config.Worker](nil)
	require.NoError(t, err)
	return w
}

func TestPlan(t *testing.T) {
	t.Parallel()
	lines := plan(load{perDay: 864_000, peak: 2, orderBytes: 2_000, openDays: 1, retentionDays: 2, historyDays: 3}, defaultWorker(t), nil)

	require.Equal(t, "10.0, 20.0", value(t, lines, "orders", "a second"))
	require.Equal(t, "280", value(t, lines, "Temporal", "state transitions"))
	require.Equal(t, "160, 207,360,000", value(t, lines, "Temporal", "billed actions"))
	require.Equal(t, "864,000", value(t, lines, "Temporal", "open orders"))
	require.Equal(t, "120, 440", value(t, lines, "PostgreSQL", "transactions"))
	require.Equal(t, "80, 80, 60", value(t, lines, "KurrentDB", "appends"))
	require.Equal(t, "40, 1,728,000", value(t, lines, "SES", "emails"))
	require.Equal(t, "2", value(t, lines, "processes", "workers"), "one may be replaced")
}

func TestPlan_WorkersForEmails(t *testing.T) {
	t.Parallel()
	l := defaultLoad()
	l.perDay, l.peak = 86_400*400, 1

	lines := plan(l, defaultWorker(t), nil)

	require.Equal(t, "15", value(t, lines, "processes", "workers"), "800 emails a second at 0.3 s and 16 slots")
	require.Equal(t, "1049", value(t, lines, "PostgreSQL", "connections"))
}

func TestPlan_Measured(t *testing.T) {
	t.Parallel()
	l := defaultLoad()
	l.perDay, l.peak = 86_400*50, 2
	path := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, writtenResult().Write(path))

	m, err := readMeasured(path)

	require.NoError(t, err)
	require.Equal(t, &measured{cores: 2, starts: 20, shipped: 12, bare: 14}, m)
	lines := plan(l, defaultWorker(t), m)
	require.Equal(t, "10", value(t, lines, "processes", "starters"), "100 starts a second at half of 20 each")
	require.Equal(t, "34", value(t, lines, "processors", "of all"), "100 orders a second at half of 6 each")
	require.InDelta(t, 14*23/14., m.predicted(), 1e-9)
	require.Contains(t, m.check(), "12.0 orders/s shipped, of 23.0/s predicted from Temporal alone (52 %)")
}

// writtenResult is a result in which the starter starts 20 workflows a second, and 12
// orders a second are shipped where 14 bare workflows are completed.
func writtenResult() report.Report {
	ratio := func(name string, product, ceiling float64) measure.Result {
		return measure.Result{Ratios: []measure.Ratio{measure.NewRatio(name, "", "", measure.Goal{}, []measure.Round{{Product: product, Ceiling: ceiling}})}}
	}
	return report.Report{Machine: report.Machine{Cores: 2}, Scenarios: []report.Scenario{
		{Name: "bridge", Result: ratio("events to started workflows", 20, 25)},
		{Name: "pipeline", Result: ratio("placed to shipped", 12, 14)},
	}}
}

func TestReadMeasured_WithoutOrders(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, report.Report{}.Write(path))

	m, err := readMeasured(path)

	require.NoError(t, err)
	require.Contains(t, m.check(), "run the benchmark's scenario pipeline")
	require.Equal(t, plan(defaultLoad(), defaultWorker(t), nil), plan(defaultLoad(), defaultWorker(t), m))
}

func TestRun(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run([]string{"--orders-per-day", "1000000", "--peak", "3"}, nil, &out))
	require.Contains(t, out.String(), "11.6, 34.7\n")

	err := run([]string{"--peak", "0.5", "--orders-per-day", "0"}, []string{"WORKER_EMAIL_SLOTS=none"}, &out)
	require.ErrorContains(t, err, "--peak: must be from 1 to 1000")
	require.ErrorContains(t, err, "--orders-per-day: must be from 1 to 1000000000")

	require.ErrorContains(t, err, "WORKER_EMAIL_SLOTS")

	require.ErrorContains(t, run([]string{"--result", filepath.Join(t.TempDir(), "missing")}, nil, &out), "no such file")
}

func TestBytesOf(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1 << 19: "0.5 MiB", 500 << 20: "500 MiB", 1500 << 20: "1.5 GiB", 2000 << 30: "2.0 TiB", 20_000 << 30: "20 TiB"} {
		require.Equal(t, want, bytesOf(n))
	}
}
