package rig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

// Gauge reads one metric without labels that a binary shows, by the name it has in /metrics.
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

// Behind lists the processes that have not dealt with everything the stores hold, in words.
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

// lags says by which metric a binary shows that it is behind. Of those who take from a subscription the group tells.
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
