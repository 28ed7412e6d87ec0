package ops

import (
	"context"
	"errors"
	"time"
)

// Work is what a daemon does until ctx ends. It reports to life how far it has come.
type Work func(ctx context.Context, life *Life) error

// Run serves operations from before work begins until after it has ended, and returns work's error. So a platform sees the
// process as alive while it waits for what it depends on, and while it finishes what is in flight. A wait that ctx cut off
// is no error.
func Run(ctx context.Context, o Options, work Work) error {
	life := newLife(o)
	server, err := start(ctx, o, life)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, life.stop)()
	err = work(ctx, life)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil
	}
	life.stop()
	o.Logger.Info(o.Service + " has stopped")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if stopErr := server.shutdown(stopping); err == nil {
		err = stopErr
	}
	return err
}
