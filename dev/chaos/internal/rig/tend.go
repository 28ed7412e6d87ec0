package rig

import (
	"context"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/workflowservice/v1"
)

// Temporal's server on SQLite has one connection to its database. A call that is cut
// short at the wrong moment leaves it interrupted: from then on every call fails, until
// the server is restarted. Its other databases have no such state, so a run against a
// server in that state proves nothing about the product.

const (
	stuckLooks = 3 // in a row before the server is restarted
	stuckEvery = 5 * time.Second
)

// stuckWords returns what the responses of a server in that state contain: SQLite's words,
// or the conclusion that the server drew from them.
func stuckWords() []string { return []string{"interrupted (9)", "Namespace default is not found"} }

// TendTemporal restarts Temporal whenever its database is stuck, until ctx is done, and
// reports it.
func (r *Rig) TendTemporal(ctx context.Context, stores *Direct, say func(format string, args ...any)) {
	tick := time.NewTicker(stuckEvery)
	defer tick.Stop()
	r.tendTemporal(ctx, tick.C, stores.Temporal, say)
}

func (r *Rig) tendTemporal(ctx context.Context, looks <-chan time.Time, temporal counter, say func(format string, args ...any)) {
	for stuck := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-looks:
		}
		if stuck++; !temporalStuck(ctx, temporal) {
			stuck = 0
		}
		if stuck < stuckLooks {
			continue
		}
		stuck = 0
		say("the database of Temporal's server is stuck: restarting it")
		if err := r.Process(Temporal).Kill(ctx); err != nil && ctx.Err() == nil {
			say("kill %s: %v", Temporal, err)
		}
	}
}

// counter runs a cheap query on Temporal's database.
type counter interface {
	CountWorkflow(context.Context, *workflowservice.CountWorkflowExecutionsRequest) (*workflowservice.CountWorkflowExecutionsResponse, error)
}

func temporalStuck(ctx context.Context, temporal counter) bool {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	_, err := temporal.CountWorkflow(ctx, &workflowservice.CountWorkflowExecutionsRequest{})
	return err != nil && slices.ContainsFunc(stuckWords(), func(words string) bool { return strings.Contains(err.Error(), words) })
}
