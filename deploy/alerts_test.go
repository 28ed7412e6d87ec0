package deploy_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

const rulesFile = "prometheus/orderflow.rules.yaml"

type alertRule struct {
	Alert       string            `yaml:"alert"`
	Expr        string            `yaml:"expr"`
	For         string            `yaml:"for"`
	Labels      map[string]string `yaml:"labels"`
	Annotations map[string]string `yaml:"annotations"`
}

func readRules(t *testing.T) []alertRule {
	t.Helper()
	content, err := os.ReadFile(rulesFile)
	require.NoError(t, err)
	var file struct {
		Groups []struct {
			Name  string      `yaml:"name"`
			Rules []alertRule `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal(content, &file))
	var all []alertRule
	for _, group := range file.Groups {
		all = append(all, group.Rules...)
	}
	require.NotEmpty(t, all)
	return all
}

// Prometheus's own program evaluates the rules over the series of their test.
func TestAlerts_Rules(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	require.NoError(t, err, "dev/packages/packages.sh installs it")
	out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", "prometheus/orderflow.rules.test.yaml").CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func TestAlerts_HaveSeverityTestAndRunbook(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/alerts.md")
	require.NoError(t, err)
	tests, err := os.ReadFile("prometheus/orderflow.rules.test.yaml")
	require.NoError(t, err)
	var names []string
	for _, rule := range readRules(t) {
		names = append(names, rule.Alert)
		require.Contains(t, []string{"page", "ticket"}, rule.Labels["severity"], rule.Alert)
		require.NotEmpty(t, rule.Annotations["summary"], rule.Alert)
		require.Equal(t, "docs/alerts.md#"+strings.ToLower(rule.Alert), rule.Annotations["runbook_url"])
		require.Contains(t, string(page), "\n## "+rule.Alert+"\n\n", "a section says what to do")
		require.Contains(t, string(tests), "name: "+rule.Alert+" fires\n")
		require.Contains(t, string(tests), "name: "+rule.Alert+" does not fire\n")
	}
	for _, section := range regexp.MustCompile(`\n## (Orderflow\w+)\n`).FindAllStringSubmatch(string(page), -1) {
		require.Contains(t, names, section[1], "a section without an alert")
	}
}

// dashboard is the part of Grafana's format that is checked here.
type dashboard struct {
	UID    string `json:"uid"`
	Title  string `json:"title"`
	Panels []struct {
		ID      int               `json:"id"`
		Title   string            `json:"title"`
		Type    string            `json:"type"`
		Source  map[string]string `json:"datasource"`
		Targets []struct {
			Expr string `json:"expr"`
		} `json:"targets"`
	} `json:"panels"`
}

func readDashboards(t *testing.T) map[string]dashboard {
	t.Helper()
	files, err := filepath.Glob("grafana/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	all := map[string]dashboard{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		var d dashboard
		require.NoError(t, json.Unmarshal(content, &d), file)
		all[file] = d
	}
	return all
}

func TestDashboards(t *testing.T) {
	t.Parallel()
	uids := map[string]string{}
	for file, d := range readDashboards(t) {
		require.Empty(t, uids[d.UID], "%s: another file has its uid", file)
		uids[d.UID] = file
		ids := map[int]bool{}
		for _, p := range d.Panels {
			require.False(t, ids[p.ID], "%s: two panels have the id %d", file, p.ID)
			ids[p.ID] = true
			if p.Type == "row" {
				continue
			}
			require.NotEmpty(t, p.Targets, "%s: %s", file, p.Title)
			require.Equal(t, "${datasource}", p.Source["uid"], "%s: %s has a data source of one installation", file, p.Title)
		}
	}
}

// Every metric that a rule or a dashboard names is in the table of metrics, which a test of
// the running binaries compares with what they export, or is one that the linked Temporal
// SDK or Prometheus's client exports.
func TestAlerts_NameMetricsThatExist(t *testing.T) {
	t.Parallel()
	known := knownMetrics(t)
	check := func(where, expr string) {
		for _, name := range metricsIn(expr) {
			require.True(t, slices.Contains(known, baseOf(name)) || slices.Contains(known, name), "%s names %s, which is no metric", where, name)
		}
	}
	for _, rule := range readRules(t) {
		require.NotEmpty(t, metricsIn(rule.Expr), rule.Alert)
		check(rule.Alert, rule.Expr)
	}
	for file, d := range readDashboards(t) {
		for _, p := range d.Panels {
			for _, target := range p.Targets {
				require.NotEmpty(t, metricsIn(target.Expr), p.Title)
				check(fmt.Sprintf("%s: %s", file, p.Title), target.Expr)
			}
		}
	}
}

var (
	metricName = regexp.MustCompile(`\b(?:orderflow|temporal|process)_[a-z0-9_]+\b|\bup\b`)
	labelPart  = regexp.MustCompile(`\{[^}]*\}|"[^"]*"`)
)

func metricsIn(expr string) []string {
	return metricName.FindAllString(labelPart.ReplaceAllString(expr, ""), -1)
}

func baseOf(name string) string {
	return regexp.MustCompile(`_(bucket|count|sum)$`).ReplaceAllString(name, "")
}

func knownMetrics(t *testing.T) []string {
	t.Helper()
	known := []string{"up", "process_start_time_seconds", "process_cpu_seconds_total", "process_resident_memory_bytes"}
	page, err := os.ReadFile("../docs/operations.md")
	require.NoError(t, err)
	for _, row := range regexp.MustCompile("(?m)^\\| `(orderflow_[a-z0-9_]+)").FindAllStringSubmatch(string(page), -1) {
		known = append(known, row[1])
	}
	return append(known, sdkMetrics(t)...)
}

// sdkMetrics returns the SDK's metrics as our exporter names them: counters end with
// _total, and timers with _seconds.
func sdkMetrics(t *testing.T) []string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-m", "-f", "{{.Dir}}", "go.temporal.io/sdk").Output()
	require.NoError(t, err)
	source, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), "internal/common/metrics/constants.go"))
	require.NoError(t, err)
	prefixes := map[string]string{}
	var known []string
	for _, c := range regexp.MustCompile(`(?m)^\s*(\w+)\s*=\s*(\w+)? ?\+? ?"([a-z_]+)"`).FindAllStringSubmatch(string(source), -1) {
		name := prefixes[c[2]] + c[3]
		prefixes[c[1]] = name
		known = append(known, name, name+"_total", name+"_seconds")
	}
	require.Contains(t, known, "temporal_request_failure_total")
	return known
}
