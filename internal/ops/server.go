package ops

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options configure a daemon and its operations server.
type Options struct {
	Service string           // the binary's name, used in its log and in its readiness
	Addr    string           // host:port; empty means no server
	Await   []Dependency     // work begins once each of these has passed, in this order
	Verify  []Dependency     // checked until they pass while work runs; an error that waiting cannot clear ends it
	Ready   map[string]Check // the daemon is ready if it works and all of these pass
	State   map[string]Check // shown alongside readiness, without effect on it
	Metrics *Metrics         // nil means that /metrics is not served
	Logger  *slog.Logger
}

// server serves /healthz, /readyz and /metrics. A nil server is usable and does nothing.
type server struct {
	http     *http.Server
	listener net.Listener
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// start listens and serves until shutdown. The context bounds only listening. Without an
// address it returns nil.
func start(ctx context.Context, o Options, l *lifecycle) (*server, error) {
	if o.Addr == "" {
		return nil, nil //nolint:nilnil // documented: a nil server is usable, which spares Run a condition
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for operations: %w", err)
	}
	watching, stop := context.WithCancel(context.WithoutCancel(ctx))
	shown := newReport(o, l)
	s := &server{listener: listener, stop: stop}
	s.http = &http.Server{
		Handler:           handler(shown, o.Metrics),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a scrape of many series over a slow connection
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	s.running.Go(func() { s.serve(o.Logger) })
	s.running.Go(func() { shown.states.watch(watching) })
	o.Logger.Info("serving operations", "address", listener.Addr().String())
	return s, nil
}

func (s *server) serve(logger *slog.Logger) {
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		logger.Error("operations server stopped", "error", err)
	}
}

// shutdown lets running requests finish until ctx ends, and then drops them and returns
// ctx's error.
func (s *server) shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	s.stop()
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	s.running.Wait()
	return err
}

func handler(r *report, metrics *Metrics) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", r.serve)
	if metrics != nil {
		metrics.Registry.MustRegister(r)
		mux.Handle("GET /metrics", metricsHandler(metrics.Registry))
	}
	return mux
}

// metricsHandler counts its own failures in the registry, and on failure of a collector
// leaves out only that one.
func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry:            registry,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}
