package programs

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Context returns the context of a program that starts others. It ends with the first
// signal to stop, so that the program stops the others. A second signal ends the program
// immediately, and its children with it. SIGPIPE ends nothing: the reader of the output may
// be gone while the program stops the others.
func Context() (context.Context, context.CancelFunc) {
	signal.Ignore(syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop) // from then on a signal has its default effect
	return ctx, stop
}
