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

// observer is told of every request that was answered. The route is a pattern and no
// path: a path holds an id.
type observer func(route string, status int, took time.Duration)

// policy keeps pages from running, framing or sending anything, whatever stands in an
// event.
const policy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// watched counts what is answered, sets what every answer carries, and makes a handler's
// panic an answer.
func (a *api) watched(next http.Handler) http.Handler {
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
			a.observe(r.Pattern, cmp.Or(answered.status, http.StatusOK), time.Since(began)) // a handler need not say 200
		}()
		next.ServeHTTP(answered, r)
	})
}

// recorder notes the status of an answer.
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

// authenticated lets pass who knows the token, as a bearer token or, from a browser, as
// the password of any name. Without a token it lets pass who came to this machine by its
// own name: a page elsewhere could have led a browser here by another.
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
