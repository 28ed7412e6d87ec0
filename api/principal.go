package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"orderflow/internal/access"
)

// principal is who makes a request, and what the audit says that it is about.
type principal struct {
	token   access.Token // the zero Token if none is configured
	subject slog.Attr    // the zero Attr until the request is known to be valid
	action  string       // of a route that has several; otherwise empty
}

type principalKey struct{}

func withPrincipal(r *http.Request) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), principalKey{}, &principal{}))
}

// principalOf returns who makes a request that instrument has passed on.
func principalOf(r *http.Request) *principal {
	if found, ok := r.Context().Value(principalKey{}).(*principal); ok {
		return found
	}
	return &principal{}
}

// authenticated lets a request pass if it presents a known token: as a bearer token or,
// from a browser, as the password with any user name. If no tokens are configured, it lets
// a request pass if its Host is one of this machine's own names. With another name, a page
// on another site could have directed a browser here.
func (a *api) authenticated(next http.Handler) http.Handler {
	unauthorized := a.deny(problemOf(http.StatusUnauthorized, "the token is missing or wrong"))
	misdirected := a.deny(problemOf(http.StatusMisdirectedRequest, "the Host header must be a name of this machine"))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch known := a.authenticate(r); {
		case a.tokens == nil && !ownHost(r.Host):
			misdirected.ServeHTTP(w, r)
		case a.tokens != nil && !known:
			unauthorized.ServeHTTP(w, r)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// authenticate reports whether the request presents a known token, and notes which.
func (a *api) authenticate(r *http.Request) (known bool) {
	if a.tokens != nil {
		principalOf(r).token, known = a.tokens.Authenticate(presented(r))
	}
	return known
}

// authorize returns a problem unless the request's token has the role. The problem names
// the role, which is no secret.
func (a *api) authorize(r *http.Request, role access.Role) error {
	if a.tokens == nil || role == "" || principalOf(r).token.May(role) {
		return nil
	}
	return problemOf(http.StatusForbidden, "the token lacks the role "+string(role))
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
