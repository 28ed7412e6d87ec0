package e2e_test

import (
	"io"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/internal/order"
	"orderflow/workflows"
)

// measured are the parts of the stack that serve metrics.
var measured = []string{"worker", "starter", "publisher", "projector", "api"}

// occasional are the metrics that a stack exports only after something that does not
// happen in this test, and where it does.
var occasional = map[string]string{
	"orderflow_reconcile_differences":                 "worker: TestReconciliation",
	"orderflow_reconcile_completed_timestamp_seconds": "worker: TestReconciliation",
	"orderflow_reviews_untold_total":                  "workflows: an order that accepts no signals",
	"orderflow_stuck_rounds_total":                    "dev/e2e: TestClosing",
	"orderflow_api_stale_file":                        "api: with a file of tokens",
}

// scraped are the labels of the product's metrics, and their values.
type scraped map[string]map[string]map[string]bool

// scrape reads the metrics of every daemon.
func (s *stackClient) scrape() scraped {
	s.t.Helper()
	all := scraped{}
	for _, daemon := range measured {
		all.add(s.metricsOf(daemon))
	}
	return all
}

var (
	metricType   = regexp.MustCompile(`(?m)^# TYPE (orderflow_[a-z_]+) [a-z]+$`)
	metricSeries = regexp.MustCompile(`(?m)^(orderflow_[a-z_]+?)(_bucket|_sum|_count)?(?:\{(.*)\})? \S+$`)
	metricLabel  = regexp.MustCompile(`([a-z_]+)="((?:[^"\\]|\\.)*)"`)
)

// add adds a page in Prometheus' text format. The label of a histogram's buckets is left
// out.
func (a scraped) add(page string) {
	for _, declared := range metricType.FindAllStringSubmatch(page, -1) {
		if a[declared[1]] == nil {
			a[declared[1]] = map[string]map[string]bool{}
		}
	}
	for _, series := range metricSeries.FindAllStringSubmatch(page, -1) {
		labels, whole := a[series[1]], a[series[1]+series[2]]
		if whole != nil {
			labels = whole // a name that only ends like that of a histogram's series
		}
		for _, label := range metricLabel.FindAllStringSubmatch(series[3], -1) {
			if label[1] == "le" {
				continue
			}
			if labels[label[1]] == nil {
				labels[label[1]] = map[string]bool{}
			}
			labels[label[1]][label[2]] = true
		}
	}
}

var operationsAddress = regexp.MustCompile(`msg="serving operations".* address=(\S+)`)

func (s *stackClient) metricsOf(daemon string) string {
	s.t.Helper()
	log, err := os.ReadFile(filepath.Join(s.stack.dir, "log", daemon+".log"))
	require.NoError(s.t, err)
	found := operationsAddress.FindSubmatch(log)
	require.NotNil(s.t, found, daemon)
	request, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+string(found[1])+"/metrics", nil)
	require.NoError(s.t, err)
	response, err := http.DefaultClient.Do(request)
	require.NoError(s.t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(s.t, err)
	return string(body)
}

// metricRow is a row of the tables of metrics: the name, and maybe its labels with their
// values.
var metricRow = regexp.MustCompile("(?m)^\\| `(orderflow_[a-z_]+)(?:\\{([^}]*)\\})?`")

// documentedMetrics returns the labels of each metric that docs/operations.md lists.
func documentedMetrics(t *testing.T) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operations.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## Metrics\n")
	require.True(t, found)
	section, _, _ = strings.Cut(section, "\n## Health and readiness\n")
	metrics := map[string][]string{}
	for _, row := range metricRow.FindAllStringSubmatch(section, -1) {
		require.NotContains(t, metrics, row[1], "one row per metric")
		labels := []string{}
		for label := range strings.SplitSeq(row[2], ",") {
			if name, _, _ := strings.Cut(label, "="); name != "" {
				labels = append(labels, name)
			}
		}
		metrics[row[1]] = labels
	}
	return metrics
}

// added are the labels that the Temporal SDK adds to what workflows measure, with few
// values as well.
var added = []string{"namespace", "client_name", "task_queue", "worker_type", "workflow_type", "activity_type"}

// plainValue matches what a label may have: words, versions and the routes of the api,
// which name their parameters.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9_.+$ (){}/:=-]{0,80}$`)

func TestMetrics_Documented(t *testing.T) {
	t.Parallel()
	s := newStackClient(t)
	id := s.place(orderSpec{})
	s.awaitStatus(id, order.StatusFulfilling)
	s.signal(id, workflows.CancelOrderMessage, `"no object"`)
	s.signal(id, workflows.RecordShipmentMessage, `{"carrier":"DHL","trackingNumber":"00340434292135100186"}`)
	s.awaitStatus(id, order.StatusShipped)
	status, _ := s.request(http.MethodGet, "/orders/"+id, nil)
	require.Equal(t, http.StatusOK, status)

	documented := documentedMetrics(t)
	require.Greater(t, len(documented), 40)
	var found scraped
	require.EventuallyWithT(t, func(c *assert.CollectT) { // some are measured at intervals
		found = s.scrape()
		for name := range documented {
			assert.True(c, found[name] != nil || occasional[name] != "", name)
		}
	}, patience, 500*time.Millisecond)
	for name, labels := range found {
		require.Contains(t, documented, name)
		shown := slices.DeleteFunc(slices.Sorted(maps.Keys(labels)), func(label string) bool { return slices.Contains(added, label) })
		require.ElementsMatch(t, documented[name], shown, name)
		for label, values := range labels {
			require.Less(t, len(values), 40, "%s of %s", label, name)
			for value := range values {
				require.Regexp(t, plainValue, value, "%s of %s", label, name)
				require.NotContains(t, value, id, "%s of %s", label, name)
			}
		}
	}
}
