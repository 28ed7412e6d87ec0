package kurrent

import (
	"context"
	"errors"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// The outcomes of calls, as they are counted.
const (
	callOK = iota
	callNotFound
	callConflict
	callDenied
	callUnavailable
	callCanceled
	callOther
	callOutcomes // how many there are
)

var outcomeNames = [callOutcomes]string{"ok", "not_found", "conflict", "denied", "unavailable", "canceled", "other"}

// counts are what a client counts.
type counts struct {
	calls           [callOutcomes]atomic.Int64
	connectFailures atomic.Int64
}

func (c *counts) count(err error) { c.calls[outcomeOf(err)].Add(1) }

func outcomeOf(err error) int {
	switch {
	case err == nil:
		return callOK
	case errors.Is(err, context.Canceled):
		return callCanceled
	case IsGone(err):
		return callNotFound
	case errors.Is(err, ErrWrongRevision):
		return callConflict
	case errors.Is(err, ErrAccessDenied):
		return callDenied
	case errors.Is(err, ErrUnavailable):
		return callUnavailable
	default:
		return callOther
	}
}

// Collector returns the client's metrics: its calls by outcome, and its failed attempts to
// connect. Subscriptions are not counted.
func (c *Client) Collector() prometheus.Collector {
	return collector{
		counts: c.counts,
		calls:  prometheus.NewDesc("orderflow_kurrentdb_calls_total", "Calls to KurrentDB, by outcome.", []string{"outcome"}, nil),
		failures: prometheus.NewDesc("orderflow_kurrentdb_connect_failures_total",
			"Failed attempts to connect to KurrentDB.", nil, nil),
	}
}

type collector struct {
	counts          *counts
	calls, failures *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c collector) Describe(descriptions chan<- *prometheus.Desc) {
	descriptions <- c.calls
	descriptions <- c.failures
}

// Collect implements prometheus.Collector.
func (c collector) Collect(samples chan<- prometheus.Metric) {
	for outcome, name := range outcomeNames {
		n := float64(c.counts.calls[outcome].Load())
		samples <- prometheus.MustNewConstMetric(c.calls, prometheus.CounterValue, n, name)
	}
	samples <- prometheus.MustNewConstMetric(c.failures, prometheus.CounterValue, float64(c.counts.connectFailures.Load()))
}
