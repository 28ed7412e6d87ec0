package ops

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Options says where to listen, what to check and what to show.
type Options struct {
	Addr    string                                 // host:port; empty means no server
	Ready   map[string]func(context.Context) error // named checks, each with 2 s; their errors are shown, so no secrets
	Metrics *Metrics                               // nil means that /metrics is not served
	Logger  *slog.Logger
}

// Server answers /healthz, /readyz and /metrics. A nil Server is one that was not wanted, and every method on it works.
type Server struct {
	http     *http.Server
	listener net.Listener
	done     chan struct{}
}

// Start listens and serves until Shutdown. The context bounds the listening alone. Without an address it returns nil.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Addr == "" {
		return nil, nil //nolint:nilnil // documented: a nil Server is usable, which spares every binary a condition
	}
	var listen net.ListenConfig
	listener, err := listen.Listen(ctx, "tcp", o.Addr)
	if err != nil {
		return nil, fmt.Errorf("listen for operations: %w", err)
	}
	s := &Server{listener: listener, done: make(chan struct{}), http: &http.Server{
		Handler:           handler(o),
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      30 * time.Second, // a scrape of many series over a slow line
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}}
	go s.serve(o.Logger)
	return s, nil
}

func (s *Server) serve(logger *slog.Logger) {
	defer close(s.done)
	if err := s.http.Serve(s.listener); !errors.Is(err, http.ErrServerClosed) {
		logger.Error("operations server stopped", "error", err)
	}
}

// Addr is the address it listens on, with the port that was taken; empty when there is no server.
func (s *Server) Addr() string {
	if s == nil {
		return ""
	}
	return s.listener.Addr().String()
}

// Shutdown lets running requests finish until ctx ends, then drops them.
func (s *Server) Shutdown(ctx context.Context) error {
	if s == nil {
		return nil
	}
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, s.http.Close())
	}
	<-s.done
	if err != nil {
		return fmt.Errorf("stop operations server: %w", err)
	}
	return nil
}

func handler(o Options) http.Handler {
	ready := &readiness{checks: o.Ready, now: time.Now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("ok\n"))
	})
	mux.HandleFunc("GET /readyz", ready.serve)
	if o.Metrics != nil {
		mux.Handle("GET /metrics", metricsHandler(o.Metrics.Registry))
	}
	return mux
}

func (r *readiness) serve(w http.ResponseWriter, _ *http.Request) {
	ready, answer := r.ask()
	w.Header().Set("Content-Type", "application/json")
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(answer) // the probe is gone if this fails
}

// metricsHandler counts its own failures into the registry, and leaves out a broken collector rather than everything.
func metricsHandler(registry *prometheus.Registry) http.Handler {
	return promhttp.HandlerFor(registry, promhttp.HandlerOpts{
		Registry:            registry,
		ErrorHandling:       promhttp.ContinueOnError,
		MaxRequestsInFlight: 4,
		Timeout:             10 * time.Second,
	})
}
