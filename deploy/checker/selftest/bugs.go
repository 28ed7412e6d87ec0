package main

import (
	"strings"
	"time"
)

// bug is a mistake that the checker must see.
type bug struct {
	patch     string // in deploy/checker/bugs, without .patch
	scenario  string // of deploy/chaos, which lets it do its harm
	invariant string // of the checker or of the workload; must complain, others may too
}

// A bug may keep a run from ever coming to rest: it is not waited for longer than its harm takes. Without a bug a run may
// take its time.
const (
	drainWithBug = 20 * time.Second
	drainClean   = 5 * time.Minute
)

// tries is how often a bug is given the chance to do harm: those that are races do not win every time.
const tries = 3

func bugs() []bug {
	return []bug{
		{"01-maximum-instead-of-contiguous-progress", "publisher", "published.once"},
		{"02-acknowledge-before-start", "temporal-away", "order.one-workflow"},
		{"03-random-event-ids", "steady", "credit.event-id"},
		{"04-append-at-any-revision", "scarce-credit", "credit.limit"},
		{"05-reread-and-append", "scarce-credit", "credit.limit"},
		{"06-sdk-retries-on", "mail-lost", "mail.count"},
		{"07-reserve-after-release", "hot-customer", "credit.closed"},
		{"08-compensation-on-the-cancelled-context", "cancel", "credit.end"},
		{"09-duplicates-allowed", "repeats", "order.one-workflow"},
		{"10-mail-claimed-after-sending", "mail-lost", "mail.count"},
		{"11-post-without-a-look", "http", "api.accepted-once"},
	}
}

// selected are the bugs whose names begin with a text.
func selected(name string) []bug {
	var found []bug
	for _, b := range bugs() {
		if strings.HasPrefix(b.patch, name) {
			found = append(found, b)
		}
	}
	return found
}
