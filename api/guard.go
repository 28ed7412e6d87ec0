package main

import (
	"cmp"
	"net/http"
	"time"
)

// observer records one completed request. route is the pattern, not the path, because a
// path contains an id.
type observer func(route string, status int, took time.Duration)

// policy keeps pages from running anything but their own script, and from framing or sending
// anything to another site, whatever the text of an event contains.
const policy = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// instrument measures requests, sets the headers that every response has, and turns a
// panic of a handler into a response. It also makes the principal that the handlers inside
// complete.
func (a *api) instrument(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		r = withPrincipal(r) // before the router notes the pattern in r
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin") // with none, forms would have no Origin to compare
		h.Set("Cache-Control", "no-store")
		answered := &recorder{ResponseWriter: w}
		defer func() {
			if broken := recover(); broken != nil {
				a.logger.ErrorContext(r.Context(), "handler panicked", "route", r.Pattern, "error", broken)
				if answered.status == 0 {
					fail(answered, r, a.logger, problemOf(http.StatusInternalServerError, ""))
				}
			}
			if r.Pattern == livePattern && answered.status == http.StatusOK {
				return // it lasted as long as its reader wanted
			}
			a.observe(r.Pattern, cmp.Or(answered.status, http.StatusOK), time.Since(began)) // a handler may leave out the status 200
		}()
		next.ServeHTTP(answered, r)
	})
}

// recorder records the status of a response.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	if r.status == 0 {
		r.status = http.StatusOK
	}
	return r.ResponseWriter.Write(p)
}

// Unwrap lets http.MaxBytesReader reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

func (a *api) deny(p *problem) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fail(w, r, a.logger, p) })
}

// limitConcurrency rejects requests with 503 while maxRequests are in flight.
func (a *api) limitConcurrency(next http.Handler) http.Handler {
	slots := make(chan struct{}, maxRequests)
	full := a.deny(problemOf(http.StatusServiceUnavailable, "too many requests are in flight"))
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
