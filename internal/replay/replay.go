// Package replay replays the histories of workflows on the workflow code of this build,
// to find out before a deployment whether the build can continue them.
//
// It owns which workflows are replayed, how much it asks of the server, and what counts as
// a failure: sample.go lists and draws them, history.go reads a history up to the last
// workflow task that has ended, code.go replays it, and report.go counts. It only reads.
// The workflow code is the caller's.
package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/api/history/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"golang.org/x/sync/errgroup"

	"orderflow/internal/temporalclient"
)

// parallel is how many histories are read and replayed at once. Each is held in memory.
const parallel = 4

// Options say what is replayed.
type Options struct {
	Temporal        client.Client
	TemporalOptions client.Options                // of the client
	Register        func(worker.WorkflowRegistry) // registers each workflow of this build under a name
	Query           string                        // selects the workflows, as in `temporal workflow list`
	Sample          int                           // at most so many of each type, chosen at random
	Pinned          bool                          // also workflows that stay on the version they run on
	ReplayTimeout   time.Duration                 // of one history; a minute if zero
}

// Run replays a sample of the workflows that the query selects. If it cannot read all of
// the sample before ctx ends, or the replay of one does not end in time, it returns an
// error and the report of what it has replayed. It returns ErrQuery if the server rejects
// the query.
func Run(ctx context.Context, o Options) (*Report, error) {
	began := time.Now()
	code, err := newCode(o)
	if err != nil {
		return nil, err
	}
	r := replay{temporal: o.Temporal, code: code, report: newReport(o.Query)}
	err = r.run(ctx, o)
	r.report.finish(time.Since(began))
	return r.report, err
}

// replay is one replay of a sample.
type replay struct {
	temporal client.Client
	code     *code
	report   *Report
}

func (r replay) run(ctx context.Context, o Options) error {
	samples, err := draw(ctx, o)
	if err != nil {
		return err
	}
	var runs []execution
	for name, s := range samples {
		known := r.code.types[name]
		r.report.begin(name, s, known)
		if known {
			runs = append(runs, s.runs...)
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for _, run := range runs {
		group.Go(func() error { return r.one(ctx, run) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return r.report.unread()
}

// one reads and replays one run, and adds the result to the report. It returns an error if
// the server cannot be read or the replay takes too long, which ends the whole replay.
func (r replay) one(ctx context.Context, e execution) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	history, err := read(ctx, r.temporal, e)
	switch {
	case temporalclient.IsNotFound(err):
		r.report.add(e, gone, "")
		return nil
	case errors.Is(err, errTooLarge):
		r.report.add(e, unreadable, err.Error())
		return nil
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err != nil:
		return fmt.Errorf("read the history of %s %s: %w", e.Type, e.WorkflowID, err)
	}
	if !hasEndedTask(history) {
		r.report.add(e, fresh, "")
		return nil
	}
	return r.compare(ctx, e, history)
}

// compare replays a history that was read. A replay that takes too long occupies a
// processor until the process exits, so it is the last one.
func (r replay) compare(ctx context.Context, e execution, h *history.History) error {
	err := r.code.replay(ctx, e, h)
	switch {
	case err == nil:
		r.report.add(e, replayed, "")
	case errors.Is(err, errTooLong):
		r.report.add(e, unreadable, err.Error())
		return fmt.Errorf("%s %s: %w", e.Type, e.WorkflowID, err)
	case ctx.Err() != nil:
		return context.Cause(ctx)
	default:
		r.report.add(e, kindOf(err), describe(err))
	}
	return nil
}
