// Command catalog catalogs uploaded videos. It is the web server, the bridge, the worker and
// the aggregator of one machine in one process; several of them share the servers. See
// README.md.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/caarlos0/env/v11"

	"example.com/catalog/service"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	err := run(ctx, logger)
	stop()
	if err != nil {
		logger.Error("stopped", "error", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, logger *slog.Logger) error {
	config, err := service.Load(env.ToMap(os.Environ()))
	if err != nil {
		return err
	}
	return service.Run(ctx, config, logger)
}
