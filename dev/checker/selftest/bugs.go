package main

import (
	"strings"
	"time"
)

// bug is a mistake that the checker must detect.
type bug struct {
	patch     string // in dev/checker/bugs, without .patch
	scenario  string // of dev/chaos, in which it does harm
	invariant string // of the checker or of the workload; must be violated, others may be too

	drain time.Duration // how long to wait for a run; 0 means drainWithBug
}

// A bug may keep a run from ever settling: the wait is no longer than its harm takes.
// Without a bug a run may take its time.
const (
	drainWithBug = 20 * time.Second
	drainClean   = 5 * time.Minute
)

// longerThanRecovery is the maximum duration of a run that recovers on its own, for bugs
// whose harm is that it does not.
const longerThanRecovery = 2 * time.Minute

// tries is how many runs a bug gets to do harm: bugs that are races do not win every
// time.
const tries = 3

func bugs() []bug {
	return []bug{
		{patch: "01-maximum-instead-of-contiguous-progress", scenario: "publisher", invariant: "published.once"},
		{patch: "02-acknowledge-before-start", scenario: "temporal-away", invariant: "order.one-workflow"},
		{patch: "03-random-event-ids", scenario: "steady", invariant: "credit.event-id"},
		{patch: "04-append-at-any-revision", scenario: "scarce-credit", invariant: "credit.limit"},
		{patch: "05-reread-and-append", scenario: "scarce-credit", invariant: "credit.limit"},
		{patch: "06-sdk-retries-on", scenario: "mail-lost", invariant: "mail.count"},
		{patch: "07-reserve-after-release", scenario: "hot-customer", invariant: "credit.closed"},
		{patch: "08-compensation-on-the-cancelled-context", scenario: "cancel", invariant: "credit.end"},
		{patch: "09-duplicates-allowed", scenario: "repeats", invariant: "order.one-workflow"},
		{patch: "10-mail-claimed-after-sending", scenario: "mail-lost", invariant: "mail.count"},
		{patch: "11-post-without-a-look", scenario: "http", invariant: "api.accepted-once"},
		{patch: "12-completed-runs-are-repaired", scenario: "failover-unpublished", invariant: "row.status"},
		{patch: "13-read-only-connections-are-kept", scenario: "read-only", invariant: "comes-to-rest", drain: longerThanRecovery},
		{patch: "14-timer-before-messages", scenario: "late-decisions", invariant: "order.messages"},
		{patch: "15-outcomes-are-forgotten", scenario: "failover", invariant: "mail.result"},
		{patch: "16-links-are-acknowledged", scenario: "operator", invariant: "order.one-workflow"},
		{patch: "17-erased-addresses-stay", scenario: "erase", invariant: "privacy.erased"},
	}
}

// selected returns the bugs whose names start with name.
func selected(name string) []bug {
	var found []bug
	for _, b := range bugs() {
		if strings.HasPrefix(b.patch, name) {
			found = append(found, b)
		}
	}
	return found
}
