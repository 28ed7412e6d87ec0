// Api is the HTTP interface: it places, cancels and looks up orders, opens credit
// accounts and changes their limits, returns customer views, and has an HTML page. `api
// openapi` prints the OpenAPI document.
//
// It owns everything about HTTP: the routes, what a request may contain, who may call,
// and the wording of errors. It makes no business decisions: orders are appended to
// KurrentDB, canceled by their workflow and read from PostgreSQL.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"orderflow/internal/config"
	"orderflow/internal/subcommand"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, subcommand.Call{Args: os.Args[1:], Environ: os.Environ(), Stdout: os.Stdout, Stderr: os.Stderr})
	stop()
	os.Exit(config.Report(os.Stderr, err))
}
