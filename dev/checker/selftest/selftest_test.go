package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestTree_PlantsAndRemovesEveryBug(t *testing.T) {
	t.Parallel()
	tree, err := copyTree(t.Context(), t.TempDir())
	require.NoError(t, err)
	for _, b := range bugs() {
		require.NoError(t, tree.plant(t.Context(), b.patch))
		require.NoError(t, tree.remove(t.Context(), b.patch))
	}
}

func TestTree_NamesPatchThatDoesNotApply(t *testing.T) {
	t.Parallel()
	tree, err := copyTree(t.Context(), t.TempDir())
	require.NoError(t, err)
	require.NoError(t, tree.plant(t.Context(), bugs()[0].patch))
	err = tree.plant(t.Context(), bugs()[0].patch)
	require.ErrorContains(t, err, "dev/checker/bugs/"+bugs()[0].patch+".patch does not apply")
}

func TestBugs_EveryPatchHasRow(t *testing.T) {
	t.Parallel()
	patches, err := filepath.Glob("../bugs/*.patch")
	require.NoError(t, err)
	var names []string
	for _, patch := range patches {
		names = append(names, strings.TrimSuffix(filepath.Base(patch), ".patch"))
	}
	var rows []string
	for _, b := range bugs() {
		rows = append(rows, b.patch)
	}
	require.Equal(t, names, rows)
}

func TestSelected_ByNamePrefix(t *testing.T) {
	t.Parallel()
	require.Len(t, selected("09"), 1)
	require.Len(t, selected(""), len(bugs()))
	_, err := parse([]string{"--only", "99"}, nil)
	require.ErrorIs(t, err, errArguments)
}
