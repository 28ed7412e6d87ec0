package postgres

import (
	"net"
	neturl "net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderflow/internal/config"
)

var (
	errMalformedURL = config.Invalid("POSTGRES_URL", "must be a connection string such as postgres://user:password@host:port/database")

	errDowngrade = config.Invalid("POSTGRES_URL",
		"would go on without TLS if the server, or an attacker in between, offers none: set sslmode=verify-full, or sslmode=disable to connect without TLS")
)

// parseURL parses a connection string, including options of the pool. Unless the string
// sets target_session_attrs, connections are made only to servers that take writes, and
// are closed on errors of a server that must not be used again.
//
// It refuses what sslmode's default does with a server on another machine: try TLS, and
// then send names and addresses without it.
func parseURL(url string) (*pgxpool.Config, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errMalformedURL // the parser's own error repeats the URL
	}
	if encrypted, plain := remoteTLS(settings.ConnConfig); encrypted && plain {
		return nil, errDowngrade
	}
	if _, ok := sessionAttributes(url); !ok && settings.ConnConfig.ValidateConnect == nil {
		settings.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	settings.ConnConfig.OnPgError = keepsConnection
	return settings, nil
}

// remoteTLS reports how servers on other machines may be reached: with TLS, without, or
// both, one after the other.
func remoteTLS(c *pgx.ConnConfig) (encrypted, plain bool) {
	note := func(host string, tls bool) {
		if host == "localhost" || strings.HasPrefix(host, "/") || net.ParseIP(host).IsLoopback() {
			return
		}
		encrypted, plain = encrypted || tls, plain || !tls
	}
	note(c.Host, c.TLSConfig != nil)
	for _, fallback := range c.Fallbacks {
		note(fallback.Host, fallback.TLSConfig != nil)
	}
	return encrypted, plain
}

// limitConnecting bounds the attempt to connect to each host, unless the URL does, so
// that all of them together take no longer than a call may. Otherwise a first host whose
// machine is gone, and which therefore does not even refuse, would use up the call's
// time, and the next host would never be tried.
func limitConnecting(c *pgx.ConnConfig, call time.Duration) {
	if c.ConnectTimeout != 0 {
		return
	}
	hosts := map[string]bool{net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port))): true}
	for _, fallback := range c.Fallbacks {
		hosts[net.JoinHostPort(fallback.Host, strconv.Itoa(int(fallback.Port)))] = true
	}
	c.ConnectTimeout = call / time.Duration(len(hosts))
}

// attributesKeyword finds target_session_attrs in a connection string of keywords and
// values.
var attributesKeyword = regexp.MustCompile(`(?:^|\s)target_session_attrs\s*=\s*'?([a-z-]+)`)

// sessionAttributes returns the target_session_attrs of a connection string; ok is false
// if the string has none.
func sessionAttributes(url string) (value string, ok bool) {
	if parsed, err := neturl.Parse(url); err == nil && parsed.Scheme != "" {
		query := parsed.Query()
		return query.Get("target_session_attrs"), query.Has("target_session_attrs")
	}
	if found := attributesKeyword.FindStringSubmatch(url); found != nil {
		return found[1], true
	}
	return "", false
}

// prefersReadOnly reports whether a connection string prefers read-only servers.
func prefersReadOnly(url string) bool {
	switch value, _ := sessionAttributes(url); value {
	case "read-only", "standby", "prefer-standby":
		return true
	default:
		return false
	}
}
