package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func page(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../..", name))
	require.NoError(t, err)
	return string(text)
}

// An end-to-end test counts what an order costs, and compares it with that page.
func TestCosts_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	orders := page(t, "docs/orders.md")
	for what, cost := range map[string]int{
		"events in its history": historyEvents, "workflow tasks": workflowTasks, "billable actions": billedActions,
		"SQL statements": sqlStatements, "SQL transactions, each one round trip": sqlTransactions, "KurrentDB reads": kurrentReads,
	} {
		require.Contains(t, orders, fmt.Sprintf("| %s | %d |", what, cost))
	}
}

// Sizes were measured once: the page and the calculation have the same.
func TestSizes_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	scaling := page(t, "docs/scaling.md")
	for text, bytes := range map[string][]any{
		"rows that stay | %.1f KB": {rowBytes / 1000.}, "%.1f KB in the customer view": {viewBytes / 1000.},
		"until pruned | %.1f KB": {versionBytes / 1000.}, "%.1f KB by the worker, 2.1 KB": {(walBytes - 2_100) / 1000.},
		"the order itself, and %.1f KB": {eventBytes / 1000.}, "about %d bytes each": {linkBytes},
	} {
		require.Contains(t, scaling, fmt.Sprintf(text, bytes...))
	}
}

func TestConnections_AreThoseOfThePage(t *testing.T) {
	t.Parallel()
	require.Contains(t, page(t, "deploy/kubernetes/README.md"), fmt.Sprintf("| %d | 0 | %d and 1 for replication | %d | %d |",
		defaultWorker(t).Connections(), publisherConnections-1, projectorConnections, apiConnections))
}

func TestPlan_IsThatOfThePage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	require.NoError(t, run(nil, nil, &out))
	require.Contains(t, page(t, "docs/scaling.md"), "```\n"+strings.TrimSpace(out.String())+"\n```")
}
