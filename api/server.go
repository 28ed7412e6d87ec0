package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"orderflow/internal/ops"
)

// What one request may take, and how many there may be at a time: the rest is told to
// come again.
const (
	requestTimeout = 15 * time.Second
	maxHeader      = 16 << 10
	maxRequests    = 256
)

// serve answers requests until ctx ends, and then finishes those it has within the
// budget.
func serve(
	ctx context.Context, addr string, handler http.Handler, budget time.Duration, life *ops.Life, logger *slog.Logger,
) error {
	var listening net.ListenConfig
	listener, err := listening.Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen for requests: %w", err)
	}
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: requestTimeout, WriteTimeout: 2 * requestTimeout,
		IdleTimeout: 2 * time.Minute, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	life.Working()
	logger.Info("api is running", "address", listener.Addr().String())
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

// handle is a handler that may fail.
type handle func(w http.ResponseWriter, r *http.Request) error

// handler is every route behind what holds for all of them.
func (a *api) handler() http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range a.routes() {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			ctx, cancel := context.WithTimeout(r.Context(), requestTimeout)
			defer cancel()
			if err := h(w, r.WithContext(ctx)); err != nil {
				fail(w, r, a.logger, err)
			}
		})
	}
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(a.deny(problemOf(http.StatusForbidden, "requests from other sites' pages are refused")))
	return a.watched(a.crowd(a.authenticated(crossOrigin.Handler(a.legible(a.routed(mux))))))
}

// legible knows no path that is not text: no store takes it.
func (a *api) legible(next http.Handler) http.Handler {
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

// routed words what no route takes as a problem, too. OPTIONS is answered with what a
// path takes.
func (a *api) routed(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		said := &verdict{header: http.Header{}}
		h.ServeHTTP(said, r)
		switch allow := said.header.Get("Allow"); {
		case allow == "":
			fail(w, r, a.logger, notFound("there is no such path"))
		case r.Method == http.MethodOptions:
			w.Header().Set("Allow", allow+", OPTIONS")
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Allow", allow)
			fail(w, r, a.logger, problemOf(http.StatusMethodNotAllowed, "the path takes "+allow))
		}
	})
}

// verdict takes what the router says about a request that no route takes, and keeps its
// words to itself.
type verdict struct{ header http.Header }

func (v *verdict) Header() http.Header         { return v.header }
func (v *verdict) WriteHeader(int)             {}
func (v *verdict) Write(p []byte) (int, error) { return len(p), nil }
