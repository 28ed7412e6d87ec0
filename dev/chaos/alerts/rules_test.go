package main

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFaster(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		"for: 5m":                          "for: 5s",
		"x unless x offset 1h":             "x unless x offset 60s",
		"for: 1h":                          "for: 60s",
		"for: 30s":                         "for: 2s",
		"sum(rate(x_total[10m])) > 0.5":    "sum(rate(x_total[10s])) > 0.5",
		"max(orderflow_lag_seconds) > 300": "max(orderflow_lag_seconds) > 5",
		"time() - max(orderflow_completed_timestamp_seconds) > 10800":                                      "time() - max(orderflow_completed_timestamp_seconds) > 180",
		"max by (a) (orderflow_lag_seconds{b=\"c\"}) > 300":                                                "max by (a) (orderflow_lag_seconds{b=\"c\"}) > 5",
		"histogram_quantile(0.99, sum by (le) (rate(x_seconds_bucket{type=\"order-placed\"}[10m]))) > 120": "histogram_quantile(0.99, sum by (le) (rate(x_seconds_bucket{type=\"order-placed\"}[10s]))) > 2",
		"sum(rate(x_seconds_count{status=~\"5..\"}[5m])) > 0.05 * sum(rate(x_seconds_count[5m]))":          "sum(rate(x_seconds_count{status=~\"5..\"}[5s])) > 0.05 * sum(rate(x_seconds_count[5s]))",
		"orderflow_orders_held{older_than=\"24h\"} > 0":                                                    "orderflow_orders_held{older_than=\"0s\"} > 0",
		"orderflow_orders_stuck > 100":                                                                     "orderflow_orders_stuck > 100",
	} {
		require.Equal(t, want, faster(rule, 60))
	}
}
