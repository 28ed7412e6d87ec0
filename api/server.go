package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// What one request may take, and how many there may be at a time: the rest is told to come again.
const (
	requestTimeout = 15 * time.Second
	maxHeader      = 16 << 10
	maxRequests    = 256
)

// serve answers requests until ctx ends, and then finishes those it has within the budget.
func serve(ctx context.Context, addr string, handler http.Handler, budget time.Duration, logger *slog.Logger) error {
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
	logger.Info("api is running", "address", listener.Addr().String())
	select {
	case err := <-ended:
		return fmt.Errorf("serve requests: %w", err)
	case <-ctx.Done():
	}
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
			r = r.WithContext(ctx)
			if err := h(w, r); err != nil {
				fail(w, r, a.logger, err)
			}
		})
	}
	crossOrigin := http.NewCrossOriginProtection()
	crossOrigin.SetDenyHandler(a.deny(problemOf(http.StatusForbidden, "requests from other sites' pages are refused")))
	return a.crowd(a.authenticated(crossOrigin.Handler(mux)))
}

func (a *api) deny(p *problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fail(w, r, a.logger, p) })
}

// crowd bounds the requests under way.
func (a *api) crowd(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxRequests)
	full := a.deny(problemOf(http.StatusServiceUnavailable, "too many requests are under way"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			next.ServeHTTP(w, r)
		default:
			full.ServeHTTP(w, r)
		}
	})
}

// authenticated lets pass who knows the token, as a bearer token or, from a browser, as the password of any name. Without a
// token it lets pass who came to this machine by its own name: a page elsewhere could have led a browser here by another.
func (a *api) authenticated(next http.Handler) http.Handler {
	unauthorized := a.deny(problemOf(http.StatusUnauthorized, "the token is missing or wrong"))
	misdirected := a.deny(problemOf(http.StatusMisdirectedRequest, "the Host must be this machine's own"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case a.token == nil && !ownHost(r.Host):
			misdirected.ServeHTTP(w, r)
		case a.token != nil && !a.knows(presented(r)):
			unauthorized.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// knows compares in a time that tells nothing about the token, its length included.
func (a *api) knows(token string) bool {
	want, got := sha256.Sum256(a.token), sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(want[:], got[:]) == 1
}

func presented(r *http.Request) string {
	if scheme, token, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok && strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(token)
	}
	_, password, _ := r.BasicAuth()
	return password
}

func ownHost(host string) bool {
	if _, _, err := net.SplitHostPort(host); err != nil {
		host = net.JoinHostPort(strings.Trim(host, "[]"), "80")
	}
	return loopback(host)
}
