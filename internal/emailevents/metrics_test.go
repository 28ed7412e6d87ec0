package emailevents_test

import (
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"orderflow/internal/emailevents"
)

// An increase is seen from a series' second sample on only, so what triggers an alert has
// a first one of 0.
func TestNewMetrics_BeginsAtZero(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	emailevents.NewMetrics(registry)
	series := func(types, result string) (lines string) {
		for kind := range strings.SplitSeq(types, " ") {
			lines += `orderflow_email_events_total{result="` + result + `",type="` + kind + `"} 0` + "\n"
		}
		return lines
	}
	const events = "bounce complaint delay delivery reject send"
	want := "# HELP orderflow_email_events_total Messages of the queue of email events, by type of event and result.\n" +
		"# TYPE orderflow_email_events_total counter\n" +
		series("other", "foreign") + series("other", "malformed") + series(events, "no-email") + series(events, "refused")
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(want), "orderflow_email_events_total"))
}
