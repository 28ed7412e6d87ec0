package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	prom "github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/contrib/opentelemetry"
	"golang.org/x/sync/errgroup"

	"orderflow/bridge"

	"example.com/catalog/files"
	"example.com/catalog/media"
	"example.com/catalog/messages"
	"example.com/catalog/process"
	"example.com/catalog/sweep"
	"example.com/catalog/view"
)

// service is what a running catalog is made of.
type service struct {
	config   Config
	logger   *slog.Logger
	registry *prom.Registry
	meters   *sdkmetric.MeterProvider
	tools    media.Tools
	files    *files.Disk
	messages *messages.Store
	view     *view.View
	sweeper  *sweep.Sweeper
	temporal client.Client
	commands *bridge.KurrentDB
	bridge   *bridge.Bridge
	closers  []func()
}

// Run runs the catalog until ctx ends, and then finishes requests and events in progress
// within the stop timeout. Steps with files are interrupted: they begin again when a worker
// has their file.
func Run(ctx context.Context, c Config, logger *slog.Logger) (err error) {
	s := &service{config: c, logger: logger}
	defer s.close()
	if err := s.open(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, part := range []func(context.Context) error{
		s.serveOps, s.servePages, s.bridge.Run, s.runWorkers, s.sweeper.Run,
		func(ctx context.Context) error { return s.view.Run(ctx, s.messages, logger) },
	} {
		group.Go(func() error { return part(ctx) })
	}
	return group.Wait()
}

// open finds the programs, takes the folder, and makes the clients. Of the servers it only
// needs PostgreSQL, for its schema.
func (s *service) open(ctx context.Context) (err error) {
	if s.tools, err = media.Find(); err != nil {
		return err
	}
	if err := s.openMetrics(); err != nil {
		return err
	}
	if s.files, err = files.OpenDisk(s.config.Folder); err != nil {
		return fmt.Errorf("CATALOG_FOLDER: %w", err)
	}
	s.onClose(func() { _ = s.files.Close() })
	if s.messages, err = messages.Open(s.config.KurrentDB, s.config.AllowPlaintext, s.logger); err != nil {
		return fmt.Errorf("KURRENTDB_URL: %w", err)
	}
	s.onClose(s.messages.Close)
	if s.view, err = view.Open(ctx, s.config.Postgres); err != nil {
		return fmt.Errorf("POSTGRES_URL: %w", err)
	}
	s.onClose(s.view.Close)
	s.sweeper = &sweep.Sweeper{Files: s.files, Messages: s.messages, Logger: s.logger}
	if err := errors.Join(s.view.Measure(s.meters), s.sweeper.Measure(s.meters)); err != nil {
		return err
	}
	return s.openBridge()
}

func (s *service) openMetrics() error {
	s.registry = prom.NewRegistry()
	exporter, err := prometheus.New(prometheus.WithRegisterer(s.registry))
	if err != nil {
		return err
	}
	s.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter))
	return nil
}

// openBridge makes the client of Temporal, by Temporal's own environment, and the bridge.
func (s *service) openBridge() error {
	options, err := envconfig.LoadDefaultClientOptions()
	if err != nil {
		return err
	}
	options.Logger = s.logger
	options.MetricsHandler = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: s.meters.Meter("temporal-sdk-go")})
	if s.temporal, err = client.NewLazyClient(options); err != nil {
		return err
	}
	s.onClose(s.temporal.Close)
	if s.commands, err = bridge.Connect(s.config.KurrentDB, bridge.ConnectOptions{
		AllowPlaintext: s.config.AllowPlaintext, Logger: s.logger,
	}); err != nil {
		return fmt.Errorf("KURRENTDB_URL: %w", err)
	}
	s.onClose(s.commands.Close)
	s.bridge, err = bridge.New(bridge.Options{
		KurrentDB: s.commands,
		Router: &bridge.Router{
			Temporal: s.temporal, Namespace: options.Namespace,
			Routes: process.Routes(), Done: process.Done(s.messages),
		},
		Subscription:  bridge.Subscription{Stream: process.CommandStream, Group: process.Group},
		DrainTimeout:  s.config.StopTimeout,
		Logger:        s.logger,
		MeterProvider: s.meters,
	})
	return err
}

// ready returns why commands are not handled at the moment, or nil.
func (s *service) ready(ctx context.Context) error {
	return errors.Join(s.bridge.Ready(ctx), s.view.Check(ctx))
}

func (s *service) onClose(f func()) { s.closers = append(s.closers, f) }

// close closes what was opened, the last first.
func (s *service) close() {
	for i := len(s.closers) - 1; i >= 0; i-- {
		s.closers[i]()
	}
}
