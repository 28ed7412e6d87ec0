package main

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

var write = flag.Bool("write", false, "write the table into docs/alerts.md")

const page = "../../../docs/alerts.md"

// The page has the table, and each alert of the table is one of the rules.
func TestMatrix(t *testing.T) {
	t.Parallel()
	before, err := os.ReadFile(page)
	require.NoError(t, err)
	marks := regexp.MustCompile(`(?s)<!-- matrix -->\n.*<!-- /matrix -->`)
	require.Regexp(t, marks, string(before))
	after := marks.ReplaceAllLiteralString(string(before), "<!-- matrix -->\n"+matrix(faults())+"<!-- /matrix -->")
	if *write {
		require.NoError(t, os.WriteFile(page, []byte(after), 0o600))
		return
	}
	require.Equal(t, after, string(before), "make alerts-docs")
}

func TestFaults_NameAlerts(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../../deploy/prometheus/orderflow.rules.yaml")
	require.NoError(t, err)
	names := map[string]bool{}
	for _, f := range faults() {
		require.False(t, names[f.name], "two faults are called %s", f.name)
		names[f.name] = true
		require.NotEmpty(t, f.fires, f.name)
		for _, alert := range append(f.fires, f.may...) {
			require.Contains(t, string(rules), "- alert: "+alert+"\n", f.name)
		}
	}
}

// unproved are the alerts that no fault demands, as the page says with the reasons.
var unproved = []string{"OrderflowReviewsUntold", "OrderflowStartsSlow"}

func TestFaults_ProveAlerts(t *testing.T) {
	t.Parallel()
	rules, err := os.ReadFile("../../../deploy/prometheus/orderflow.rules.yaml")
	require.NoError(t, err)
	var fired, want []string
	for _, f := range faults() {
		fired = append(fired, f.fires...)
	}
	for _, alert := range regexp.MustCompile(`- alert: (\w+)\n`).FindAllStringSubmatch(string(rules), -1) {
		if !slices.Contains(unproved, alert[1]) {
			want = append(want, alert[1])
		}
	}
	slices.Sort(fired)
	slices.Sort(want)
	require.Equal(t, want, slices.Compact(fired))
}
