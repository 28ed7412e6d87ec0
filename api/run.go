package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.temporal.io/sdk/client"

	"orderflow/internal/access"
	"orderflow/internal/config"
	"orderflow/internal/kurrent"
	"orderflow/internal/ops"
	"orderflow/internal/postgres"
	"orderflow/internal/streams"
	"orderflow/internal/temporalclient"
	"orderflow/internal/tracing"
)

const (
	storeTimeout = 5 * time.Second // one call to a store
	connections  = 8               // connections to PostgreSQL
)

// drivers holds the clients of the servers.
type drivers struct {
	metrics   *ops.Metrics
	traces    *tracing.Traces
	events    *kurrent.Client
	pool      *postgres.Pool
	temporal  client.Client
	namespace string       // Temporal namespace
	codec     *codecServer // nil without keys
}

func run(ctx context.Context, environ []string, stderr io.Writer) error {
	s, invalid := config.Load[settings](environ)
	logger := ops.NewLogger(s.Log, stderr, "api")
	tokens, tokensErr := openTokens(s, logger)
	identity, identityErr := openCertificate(s, logger)
	d, err := openDrivers(ctx, s, config.Merge(invalid, tokensErr, identityErr), logger)
	if err != nil {
		return err
	}
	defer d.close()
	d.metrics.Registry.MustRegister(d.pool.Collector(), d.events.Collector())
	exportStaleFiles(d.metrics.Registry, tokens, identity)
	listener, err := listen(ctx, s.API.Addr, maxConnections) // before the api is ready, so that no connection is refused
	if err != nil {
		return err
	}
	defer listener.Close()
	return ops.Run(ctx, ops.Options{
		Service: "api", Addr: s.Addr, Metrics: d.metrics, Logger: logger,
		// While one of these is down, requests that need it are answered with 503. Other
		// requests are served.
		State: map[string]ops.Check{
			"temporal": temporalclient.Verify(d.temporal, d.namespace), "postgres": d.pool.Ping, "kurrentdb": d.events.Ping,
		},
		Verify: []ops.Dependency{temporalclient.Dependency(d.temporal, d.namespace), schemaDependency(d.pool)},
	}, func(ctx context.Context) error {
		a := newAPI(s, d, tokens, logger)
		server := newServer(tlsConfig(identity), a.handler(), logger)
		server.RegisterOnShutdown(a.live.stop)
		return serve(ctx, listener, server, s.Shutdown.Timeout, logger)
	})
}

// exportStaleFiles exports for each file that is read again whether it cannot be used. The
// files are read at a scrape, too, so that the metric is right without any request.
func exportStaleFiles(registry prometheus.Registerer, tokens *access.Tokens, identity *certificate) {
	export := func(file string, stale func() bool) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "orderflow_api_stale_file", Help: "1 while a changed file cannot be used, so that what was read before stays.",
			ConstLabels: prometheus.Labels{"file": file},
		}, func() float64 {
			if stale() {
				return 1
			}
			return 0
		}))
	}
	if tokens != nil {
		export("tokens", tokens.Stale)
	}
	if identity != nil {
		export("certificate", identity.Stale)
	}
}

// schemaDependency ends an api whose schema is outdated instead of waiting for the
// migration: it is ready meanwhile, and would replace replicas that work.
func schemaDependency(pool *postgres.Pool) ops.Dependency {
	d := pool.Dependency()
	mayPass := d.MayPass
	d.MayPass = func(err error) bool { return mayPass(err) && !errors.Is(err, postgres.ErrSchemaOutdated) }
	return d
}

func newAPI(s settings, d drivers, tokens *access.Tokens, logger *slog.Logger) *api {
	switch {
	case tokens == nil:
		logger.Warn("API_TOKENS_FILE is not set: every process on this machine may place, ship and cancel orders and decide about credit")
	case s.TLS.CertFile == "" && !loopback(s.API.Addr):
		logger.Warn("serving plain HTTP: without a TLS proxy in front, orders and tokens can be read in transit")
	}
	return &api{
		streams: streams.Orders{Client: d.events}, accounts: streams.NewCreditAccounts(streams.CreditAccountsConfig{Client: d.events}),
		rows: postgres.NewFulfillments(d.pool, postgres.EmailRules{}), view: postgres.NewCustomerView(d.pool), lists: postgres.NewCustomerView(d.pool),
		workflows: d.temporal, search: newOperations(d.temporal, d.namespace, logger), live: newLiveStreams(d.metrics.Registry), lag: newLagMeter(d.events),
		links: newLinks(s, d.namespace), traces: d.traces, tokens: tokens, codec: d.codec, limit: newRateLimit(s.API.RateLimit, s.API.RateBurst),
		observe: newRequestMeter(d.metrics.Registry), logger: logger, now: time.Now, updateWait: updateWait,
	}
}

// openDrivers creates the clients and reports all faults of the configuration at once. No
// client connects before its first call.
func openDrivers(ctx context.Context, s settings, invalid error, logger *slog.Logger) (d drivers, err error) {
	if d.metrics, err = ops.NewMetrics("api"); err != nil {
		return d, err
	}
	var eventsErr, poolErr, temporalErr, tracesErr error
	d.traces, tracesErr = tracing.Open(ctx, "api", s.Tracing, logger)
	d.events, eventsErr = kurrent.Open(kurrent.Config{
		URL: s.KurrentDB.URL, URLFile: s.KurrentDB.URLFile, AllowPlaintext: s.AllowPlaintext, Logger: logger, CallTimeout: storeTimeout,
	})
	d.pool, poolErr = postgres.Open(ctx, postgres.Config{
		URL: s.Postgres.URL, URLFile: s.Postgres.URLFile,
		MaxConns: connections, ApplicationName: "orderflow-api", CallTimeout: storeTimeout, Logger: logger,
		TracerProvider: d.traces.Provider(),
	})
	options, optionsErr := temporalclient.Options("api", s.Payloads, logger, d.metrics)
	if d.traces.On() {
		options.Interceptors = temporalclient.Tracing(d.traces.Provider())
	}
	d.temporal, temporalErr = temporalclient.Open(options)
	d.namespace = temporalclient.Namespace(options)
	d.codec = newCodecServer(options.DataConverter, d.namespace, s.API.CodecOrigins)
	if err = config.Merge(invalid, tracesErr, eventsErr, poolErr, optionsErr, temporalErr); err != nil {
		d.close()
	}
	return d, err
}

func (d drivers) close() {
	if d.temporal != nil {
		d.temporal.Close()
	}
	if d.events != nil {
		d.events.Close()
	}
	if d.pool != nil {
		d.pool.Close()
	}
	d.traces.Flush()
}
