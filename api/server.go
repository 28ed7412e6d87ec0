package main

import (
	"context"
	"crypto/tls"
	_ "embed" // for the OpenAPI document
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	"golang.org/x/net/netutil"
)

// Limits of one request, and of the number of requests in flight. Requests beyond
// maxRequests are rejected with 503 and Retry-After. Connections beyond maxConnections wait
// to be accepted, so that they use up neither memory nor the descriptors for the stores.
const (
	requestTimeout = 15 * time.Second
	headerTimeout  = 5 * time.Second // of a TLS handshake, too
	maxHeader      = 16 << 10
	maxRequests    = 256
	maxConnections = 16 * maxRequests
)

// listen accepts up to limit connections at a time, which wait until serve handles their
// requests.
func listen(ctx context.Context, addr string, limit int) (net.Listener, error) {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for requests: %w", err)
	}
	return netutil.LimitListener(listener, limit), nil
}

// newServer returns a server with the limits of a request. It serves TLS unless secure is
// nil.
func newServer(secure *tls.Config, handler http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: handler, TLSConfig: secure, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
}

// serve handles requests until ctx is done. Then it lets requests in flight finish within
// the budget.
func serve(ctx context.Context, listener net.Listener, server *http.Server, budget time.Duration, logger *slog.Logger) error {
	ended := make(chan error, 1)
	secure := server.TLSConfig != nil
	go func() {
		if secure {
			ended <- server.ServeTLS(listener, "", "")
			return
		}
		ended <- server.Serve(listener)
	}()
	logger.Info("api is running", "address", listener.Addr().String(), "tls", secure)
	select {
	case err := <-ended:
		return fmt.Errorf("serve requests: %w", err)
	case <-ctx.Done():
	}
	logger.Info("api is stopping")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), budget)
	defer cancel()
	if err := server.Shutdown(stopping); err != nil {
		return errors.Join(fmt.Errorf("finish requests: %w", err), server.Close())
	}
	return nil
}

// handle is an HTTP handler that may return an error.
type handle func(w http.ResponseWriter, r *http.Request) error

// handler returns all routes behind the common middleware.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, to := range a.routes() {
		mux.Handle(pattern, a.traced(pattern, to, a.audited(to.action, a.serveRoute(to))))
	}
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(a.deny(problemOf(http.StatusForbidden, "requests from other sites' pages are refused")))
	orders := a.authenticated(a.limitRate(crossOrigin.Handler(a.rejectInvalidPath(a.routed(mux)))))
	return a.instrument(a.limitConcurrency(a.withCodec(orders)))
}

// traced makes the span of a request, in the trace that the client names. A stream has none.
func (a *api) traced(pattern string, to route, next http.Handler) http.Handler {
	if a.traces == nil || !a.traces.On() || to.stream {
		return next
	}
	return otelhttp.NewHandler(next, pattern, otelhttp.WithTracerProvider(a.traces.Provider()),
		otelhttp.WithMeterProvider(noop.NewMeterProvider()), otelhttp.WithPropagators(propagation.TraceContext{}))
}

// serveRoute handles a request within the time limit, if its token has the route's role.
func (a *api) serveRoute(to route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		if !to.stream {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, requestTimeout)
			defer cancel()
		}
		err := a.authorize(r, to.role)
		if err == nil {
			err = to.handle(w, r.WithContext(ctx))
		}
		if err != nil {
			fail(w, r, a.logger, err)
		}
	})
}

// rejectInvalidPath responds with 404 to a path that is not valid text. No store accepts
// such an id.
func (a *api) rejectInvalidPath(next http.Handler) http.Handler {
	unknown := a.deny(notFound("there is no such path"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isText(r.URL.Path) {
			unknown.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func isText(s string) bool { return utf8.ValidString(s) && !strings.ContainsRune(s, 0) }

// routed responds with a problem if no route matches. It responds to OPTIONS with the
// methods that the path allows.
func (a *api) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		discarded := &discardWriter{header: http.Header{}}
		h.ServeHTTP(discarded, r)
		switch allow := discarded.header.Get("Allow"); {
		case allow == "":
			fail(w, r, a.logger, notFound("there is no such path"))
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", allow+", OPTIONS")
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", allow)
			fail(w, r, a.logger, problemOf(http.StatusMethodNotAllowed, "the path accepts "+allow))
		}
	})
}

// discardWriter keeps the headers with which the router responds to a request without a
// route. It discards the status and the body.
type discardWriter struct{ header http.Header }

func (w *discardWriter) Header() http.Header         { return w.header }
func (w *discardWriter) WriteHeader(int)             {}
func (w *discardWriter) Write(p []byte) (int, error) { return len(p), nil }

// newRequestMeter returns an observer that records the duration of requests by route and
// status. The route is empty if no route matched.
func newRequestMeter(registry prometheus.Registerer) observer {
	seconds := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "orderflow_api_request_seconds", Help: "Time that requests took, by route and status.",
		Buckets: []float64{.005, .02, .1, .5, 2, 5, 15},
	}, []string{"route", "status"})
	registry.MustRegister(seconds)
	return func(route string, status int, took time.Duration) {
		seconds.WithLabelValues(route, strconv.Itoa(status)).Observe(took.Seconds())
	}
}

//go:embed openapi.yaml
var document []byte

// getDocument serves the OpenAPI document.
func getDocument(w http.ResponseWriter, _ *http.Request) error {
	w.Header().Set("Content-Type", "application/yaml")
	_, _ = w.Write(document) // the client may have disconnected
	return nil
}
