package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/bench/internal/report"
)

// buildBinaries builds the programs that the scenarios of a test run.
func buildBinaries(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	build := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/",
		"./worker", "./starter", "./dev/kurrentsim/cmd/kurrentsim", "./dev/sessim/cmd/sessim")
	build.Dir = "../.."
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return dir
}

// It asserts what is measured, and no speed. The other scenarios take too long for a test.
func TestRun(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	result := filepath.Join(t.TempDir(), "result.json")
	var table, progress bytes.Buffer

	err := run(t.Context(), []string{
		"--bin", buildBinaries(t), "--state", state, "--json", result, "--only", "^(bridge|pipeline|backlog)$", "--rounds", "1", "--orders", "3",
	}, os.Environ(), &table, &progress)

	require.NoError(t, err, "%s", &progress)
	r, err := report.Read(result)
	require.NoError(t, err)
	require.Len(t, r.Scenarios, 3)
	require.NotEmpty(t, r.Servers.Temporal)
	var names []string
	for _, s := range r.Scenarios {
		require.Empty(t, s.Error)
		require.Positive(t, s.Seconds)
		for _, ratio := range s.Ratios {
			names = append(names, ratio.Name)
			require.Len(t, ratio.Rounds, 1)
			require.Positive(t, ratio.Rounds[0].Product, ratio.Name)
			require.Positive(t, ratio.Rounds[0].Ceiling, ratio.Name)
			require.Contains(t, table.String(), ratio.Name)
		}
	}
	require.Equal(t, []string{
		"events to started workflows", "placed to confirmed", "Temporal's processor time to confirmed",
		"placed to shipped", "Temporal's processor time to shipped", "mean wait for confirmation",
	}, names)
	curve := r.Scenarios[2].Charts[0].Lines[0].Points
	require.Len(t, curve, 4)
	require.InDelta(t, 3, curve[3][1], 1e-9)
	left, err := os.ReadDir(state)
	require.NoError(t, err)
	require.Empty(t, left, "the databases of a scenario are removed")
}
