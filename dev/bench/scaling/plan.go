package main

import (
	"fmt"
	"math"
	"time"

	"orderflow/internal/config"
)

// load is what a deployment has to take.
type load struct {
	perDay        int     // orders
	peak          float64 // the rate of the busiest hour as a multiple of the average; at least 1
	orderBytes    int     // of an order-placed event's data
	openDays      int     // that an order waits for its shipment
	retentionDays int     // that Temporal keeps closed workflows
	historyDays   int     // that the publisher keeps published versions
}

func defaultLoad() load {
	return load{perDay: 1_000_000, peak: 3, orderBytes: 2_000, openDays: 3, retentionDays: 30, historyDays: 7}
}

// average and busiest return orders a second.
func (l load) average() float64 { return float64(l.perDay) / (24 * time.Hour).Seconds() }
func (l load) busiest() float64 { return l.average() * l.peak }

const (
	daysInMonth = 30
	daysInYear  = 365

	emailSeconds = 0.3 // that a slot of the worker is taken by one email

	// Of the other daemons, as deploy/kubernetes/README.md lists them.
	publisherConnections = 8 + 1
	projectorConnections = 4
	apiConnections       = 8

	// replicas is how many of each daemon an installation has in any case, so that one may
	// be replaced.
	replicas = 2

	// busy is the share of the throughput at saturation that is planned for. Beyond it,
	// latency grows.
	busy = 0.5
)

// line is one result of the calculation.
type line struct{ where, what, value string }

// plan returns what a load needs with workers of these settings. The measured throughput
// may be nil.
func plan(l load, w config.Worker, m *measured) []line {
	busiest := l.busiest()
	workers := max(replicas, ceil(busiest*emails*emailSeconds/float64(w.EmailSlots)))
	starters := replicas
	if m != nil && m.starts > 0 {
		starters = max(replicas, ceil(busiest/(m.starts*busy)))
	}
	lines := []line{
		{"orders", "a second, on average and at the peak", fmt.Sprintf("%.1f, %.1f", l.average(), busiest)},
	}
	lines = append(lines, temporal(l)...)
	lines = append(lines, postgres(l, workers*int(w.Connections()))...)
	lines = append(lines, kurrent(l)...)
	lines = append(lines,
		line{"SES", "emails a second at the peak, and a day", fmt.Sprintf("%.0f, %s", math.Ceil(busiest*emails), count(l.perDay*emails))},
		line{"processes", "workers, for the emails", fmt.Sprint(workers)},
		line{"processes", "starters", fmt.Sprint(starters)},
	)
	if m != nil && m.shipped > 0 {
		lines = append(lines, line{"processors", "of all servers and processes at the peak", fmt.Sprint(ceil(busiest / (m.shipped / float64(m.cores) * busy)))})
	}
	return lines
}

func temporal(l load) []line {
	busiest := l.busiest()
	return []line{
		{"Temporal", "state transitions a second at the peak", perSecond(busiest * transitions)},
		{"Temporal", "history events a second at the peak", perSecond(busiest * historyEvents)},
		{"Temporal", "workflow tasks a second at the peak", perSecond(busiest * workflowTasks)},
		{"Temporal", "billed actions a second at the peak, and a month", fmt.Sprintf("%s, %s",
			perSecond(busiest*billedActions), count(l.perDay*billedActions*daysInMonth))},
		{"Temporal", "open orders", count(l.perDay * l.openDays)},
		{"Temporal", "closed orders that are kept, and their payloads at most", fmt.Sprintf("%s, %s",
			count(l.perDay*l.retentionDays), bytesOf(l.perDay*l.retentionDays*payloadBytes))},
	}
}

// postgres returns what the load needs of PostgreSQL. The workers open that many
// connections.
func postgres(l load, workerConnections int) []line {
	busiest := l.busiest()
	return []line{
		{"PostgreSQL", "transactions and statements a second at the peak", fmt.Sprintf("%s, %s",
			perSecond(busiest*sqlTransactions), perSecond(busiest*sqlStatements))},
		{"PostgreSQL", "rows that stay: a day, and a year", fmt.Sprintf("%s, %s",
			bytesOf(l.perDay*(rowBytes+viewBytes)), bytesOf(l.perDay*(rowBytes+viewBytes)*daysInYear))},
		{"PostgreSQL", "versions until they are pruned", bytesOf(l.perDay * l.historyDays * versionBytes)},
		{"PostgreSQL", "log a day, and kept for each hour that the publisher is down", fmt.Sprintf("%s, %s",
			bytesOf(l.perDay*walBytes), bytesOf(int(busiest*time.Hour.Seconds()*walBytes)))},
		{"PostgreSQL", "connections", fmt.Sprint(workerConnections + publisherConnections + projectorConnections + replicas*apiConnections)},
	}
}

func kurrent(l load) []line {
	busiest := l.busiest()
	return []line{
		{"KurrentDB", "appends, links and reads a second at the peak", fmt.Sprintf("%s, %s, %s",
			perSecond(busiest*appendedEvents), perSecond(busiest*linkedEvents), perSecond(busiest*kurrentReads))},
		{"KurrentDB", "a day, and a year", fmt.Sprintf("%s, %s", bytesOf(l.perDay*l.kurrentBytes()), bytesOf(l.perDay*l.kurrentBytes()*daysInYear))},
	}
}

// kurrentBytes returns what one order leaves in KurrentDB.
func (l load) kurrentBytes() int { return l.orderBytes + eventBytes + linkedEvents*linkBytes }

func ceil(x float64) int { return int(math.Ceil(x)) }

func perSecond(rate float64) string { return fmt.Sprintf("%.0f", math.Ceil(rate)) }

// count returns a number with commas.
func count(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", count(n/1000), n%1000)
}

// bytesOf returns a size with two or three digits.
func bytesOf(n int) string {
	size, unit := float64(n)/(1<<20), "MiB"
	for _, next := range []string{"GiB", "TiB"} {
		if size < 1000 {
			break
		}
		size, unit = size/(1<<10), next
	}
	if size < 10 {
		return fmt.Sprintf("%.1f %s", size, unit)
	}
	return fmt.Sprintf("%.0f %s", size, unit)
}
