// Starter is the bridge from KurrentDB to Temporal: it starts one workflow for every order placed, and hands on what else
// an order's stream says. Its subcommands (`starter --help`) are for operators, and end.
//
// It owns the subscription, the routes from event types to workflows, and when an event counts as handled. What a
// workflow does is left to package workflows.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, invocation{
		args: os.Args[1:], environ: os.Environ(), stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr,
	})
	stop()
	os.Exit(exitCode(os.Stderr, err))
}
