package ops

import (
	"context"
	"errors"
	"time"
)

// Work is the work of a daemon until ctx ends. It reports its phase to life.
type Work func(ctx context.Context, life *Life) error

// Run serves operations from before work begins until after it has ended, and returns
// work's error. So a platform sees the process as alive while it waits for dependencies,
// and while it drains. A wait that was canceled by ctx is not an error.
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
