package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// askTimeout bounds reading the metrics of a process.
const askTimeout = 2 * time.Second

// Gauge returns the value of one metric without labels from a binary's /metrics.
func (r *Rig) Gauge(ctx context.Context, process, metric string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.addresses[process]+"/metrics", nil)
	if err != nil {
		return 0, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("%s of %s: %w", metric, process, err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		if value, found := strings.CutPrefix(lines.Text(), metric+" "); found {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(fmt.Errorf("%s does not show %s", process, metric), lines.Err())
}

// Behind lists, as texts, the processes that have not processed everything the stores
// hold.
func (r *Rig) Behind(ctx context.Context) ([]string, error) {
	var behind []string
	for _, name := range r.Binaries() {
		metric, measured := lags()[binaryOf(name)]
		if !measured {
			continue
		}
		lag, err := r.Gauge(ctx, name, metric)
		if err == nil {
			err = r.Process(name).ready(ctx)
		}
		if err != nil {
			return nil, err
		}
		if lag > 0 {
			behind = append(behind, fmt.Sprintf("%s is behind: %s is %v", name, metric, lag))
		}
	}
	return behind, nil
}

// lags returns the metric that shows how far a binary is behind. For binaries that read a
// subscription the group shows it.
func lags() map[string]string {
	return map[string]string{
		Publisher: "orderflow_publisher_lag_seconds",
		Projector: "orderflow_projector_lag_events",
	}
}

func binaryOf(process string) string {
	binary, _, _ := strings.Cut(process, "-")
	return binary
}

// OpsAddress returns where a binary serves its metrics and health.
func (r *Rig) OpsAddress(process string) string { return r.addresses[process] }

// DatabaseURL returns the URL of the database, past the edges, for its owner.
func (r *Rig) DatabaseURL() string { return r.databaseURL(r.addresses[Postgres]) }
