package ops

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"orderflow/internal/version"
)

// Run runs a daemon until ctx ends, in this order:
//
//  1. The operations server starts: the platform sees a live process that is not ready.
//  2. The dependencies in o.Await are awaited, one after the other.
//  3. work begins, and the daemon is ready.
//  4. When ctx ends, the daemon is no longer ready. work finishes what is in flight,
//     within the shutdown timeout that it was given, and returns.
//  5. The operations server stops.
//
// Run returns the error of work, or of a dependency that waiting cannot clear. A wait
// that was canceled by ctx is not an error, and neither is a request to the operations
// server that is in progress when the work has ended: it is dropped after a second.
func Run(ctx context.Context, o Options, work func(context.Context) error) error {
	build := version.Read()
	o.Logger.Info(o.Service+" starting", "revision", build.Revision, "go", build.GoVersion)
	l := newLifecycle(o)
	server, err := start(ctx, o, l)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, l.stop)()
	err = l.run(ctx, o, work)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	l.stop()
	o.Logger.Info(o.Service + " has stopped")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if dropped := server.shutdown(stopping); dropped != nil {
		o.Logger.Warn("dropping requests to the operations server", "error", dropped)
	}
	return err
}

// run waits for the dependencies and works.
func (l *lifecycle) run(ctx context.Context, o Options, work func(context.Context) error) error {
	for _, dependency := range o.Await {
		if err := l.await(ctx, dependency); err != nil {
			return err
		}
	}
	l.ready()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, dependency := range o.Verify {
		group.Go(func() error { return l.verify(ctx, dependency) })
	}
	group.Go(func() error {
		defer cancel() // without work there is nothing to verify for
		return work(ctx)
	})
	return group.Wait()
}

// verify awaits a dependency while the daemon works. It returns nil if ctx ends first.
func (l *lifecycle) verify(ctx context.Context, d Dependency) error {
	err := l.await(ctx, d)
	if ctx.Err() != nil {
		return nil
	}
	return err
}
