package opstest

import (
	"context"
	"errors"
)

// Around runs a daemon around the tests of a package. They begin once ready returns nil,
// whose context ends with the daemon. Before that a test could change the environment in
// which the daemon starts, and a program dies of the signal that asks it to stop. Around
// returns the code of the tests, and the error of ready or of the daemon.
func Around(ctx context.Context, daemon, ready func(context.Context) error, tests func() int) (code int, err error) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	alive, end := context.WithCancelCause(ctx)
	ended := make(chan error, 1)
	go func() {
		err := daemon(running)
		end(errors.New("the daemon has ended"))
		ended <- err
	}()
	code, err = 1, ready(alive)
	if err == nil {
		code = tests()
	}
	stop()
	return code, errors.Join(err, <-ended)
}
