package page

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/bench/internal/measure"
	"orderflow/dev/bench/internal/report"
	"orderflow/dev/bench/internal/scenario"
)

func TestPerformancePage(t *testing.T) {
	t.Parallel()
	require.NoError(t, Check("../../../../docs"), "write it with make bench-docs")
}

func TestPerformancePage_Scenarios(t *testing.T) {
	t.Parallel()
	written, err := os.ReadFile("../../../../docs/performance.md")
	require.NoError(t, err)
	for _, s := range scenario.All() {
		require.Contains(t, string(written), "\n## "+s.Title+"\n", "a section describes each scenario")
		require.Contains(t, string(written), "\n<!-- bench: "+s.Name+" -->\n")
	}
}

const template = `# Performance
<!-- bench: run -->
<!-- /bench -->
<!-- bench: goals -->
old
<!-- /bench -->
## Events to started workflows
Prose.
<!-- bench: bridge -->
<!-- /bench -->
The end.
<!-- bench: growth -->
<!-- /bench -->
`

func sample() report.Report {
	return report.Report{Size: "short", Rounds: 1, Commit: "0123", Scenarios: []report.Scenario{{
		Name: "bridge", Title: "Events to started workflows", Result: measure.Result{
			Ratios:  []measure.Ratio{measure.NewRatio("starts", "starts/s", "bare", measure.AtLeast(0.95), []measure.Round{{Product: 90, Ceiling: 100}})},
			Figures: measure.Latencies("to started", []time.Duration{time.Second}, measure.Goal{}, measure.Goal{}),
			Charts: []measure.Chart{{
				Name: "curve", Title: "Curve", X: "x", Y: "y", Lines: []measure.Line{measure.NewLine("a", [][2]float64{{1, 1}})},
			}},
		},
	}}}
}

// newPage writes the files of a page with a result.
func newPage(t *testing.T, content string, r report.Report) (docs string) {
	t.Helper()
	docs = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(docs, chartFolder), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(docs, pageFile), []byte(content), 0o600))
	require.NoError(t, r.Write(filepath.Join(docs, resultFile)))
	return docs
}

func TestUpdate(t *testing.T) {
	t.Parallel()
	docs := newPage(t, template, sample())
	stale := filepath.Join(docs, chartFolder, chartPrefix+"old.svg")
	require.NoError(t, os.WriteFile(stale, nil, 0o600))
	require.Error(t, Check(docs))

	require.NoError(t, Update(docs, ""))

	require.NoError(t, Check(docs))
	written, err := os.ReadFile(filepath.Join(docs, pageFile))
	require.NoError(t, err)
	page := string(written)
	require.NotContains(t, page, "old")
	require.Contains(t, page, "| [bridge](#events-to-started-workflows) | starts | 0.90 | >= 0.95 | missed |")
	require.Contains(t, page, "| starts | 0.90 | 90.0 starts/s | 100 (bare) | >= 0.95, missed |")
	require.Contains(t, page, "| to started | p50 1.00, p95 1.00, p99 1.00, max 1.00 s of 1 |")
	require.Contains(t, page, "![Curve](images/performance-bridge-curve.svg)")
	require.Contains(t, page, "The end.\n<!-- bench: growth -->\n"+notMeasured+"<!-- /bench -->\n")
	require.FileExists(t, filepath.Join(docs, chartFolder, "performance-bridge-curve.svg"))
	require.NoFileExists(t, stale)
}

func TestUpdate_OtherResult(t *testing.T) {
	t.Parallel()
	docs := newPage(t, template, sample())
	other := sample()
	other.Scenarios[0].Ratios[0].Median = 0.97
	result := filepath.Join(t.TempDir(), "result.json")
	require.NoError(t, other.Write(result))

	require.NoError(t, Update(docs, result))

	written, err := os.ReadFile(filepath.Join(docs, pageFile))
	require.NoError(t, err)
	require.Contains(t, string(written), "| 0.97 |")
}

func TestUpdate_Blocks(t *testing.T) {
	t.Parallel()
	docs := newPage(t, "<!-- bench: growth -->\n<!-- /bench -->\n", sample())
	require.EqualError(t, Update(docs, ""), "the result has bridge, and the page has no block for it\n"+
		"the result has goals, and the page has no block for it\nthe result has run, and the page has no block for it")

	failed := sample()
	failed.Scenarios[0].Error = "it took too long"
	require.EqualError(t, Update(newPage(t, template, failed), ""), "bridge failed: it took too long")
}
