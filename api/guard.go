package main

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"net"
	"net/http"
	"strings"
	"time"
)

// observer records one completed request. route is the pattern, not the path, because a
// path contains an id.
type observer func(route string, status int, took time.Duration)

// policy keeps pages from running, framing or sending anything, whatever the text of an
// event contains.
const policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// instrument measures requests, sets the headers that every response has, and turns a
// panic of a handler into a response.
func (a *api) instrument(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := time.Now()
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cache-Control", "no-store")
		answered := &recorder{ResponseWriter: w}
		defer func() {
			if broken := recover(); broken != nil {
				a.logger.Error("handler panicked", "route", r.Pattern, "error", broken)
				if answered.status == 0 {
					fail(answered, r, a.logger, problemOf(http.StatusInternalServerError, ""))
				}
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

// authenticated lets a request pass if it presents the token: as a bearer token or, from
// a browser, as the password with any user name. If no token is configured, it lets a
// request pass if its Host is one of this machine's own names. With another name, a page
// on another site could have directed a browser here.
func (a *api) authenticated(next http.Handler) http.Handler {
	unauthorized := a.deny(problemOf(http.StatusUnauthorized, "the token is missing or wrong"))
	misdirected := a.deny(problemOf(http.StatusMisdirectedRequest, "the Host header must be a name of this machine"))
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

// knows reports whether token is the configured one. Its duration reveals nothing about
// the token, including its length.
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
