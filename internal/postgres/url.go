package postgres

import (
	"net"
	neturl "net/url"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderflow/internal/config"
)

var (
	errMalformedURL = config.Invalid("POSTGRES_URL", "must be a connection string such as postgres://user:password@host:port/database")

	errDowngrade = config.Invalid("POSTGRES_URL",
		"would go on without TLS where the server, or somebody between, offers none: say sslmode=verify-full, or sslmode=disable to do without")
)

// parseURL reads a connection string, options of a pool included. Its connections are made to servers that take writes alone,
// unless the string says otherwise by target_session_attrs, and end with the errors of a server that must not be used again. What sslmode's default does to a server on another
// machine, to try TLS and then to send names and addresses without, is refused.
func parseURL(url string) (*pgxpool.Config, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errMalformedURL // the parser's own error repeats the URL
	}
	if encrypted, plain := waysAbroad(settings.ConnConfig); encrypted && plain {
		return nil, errDowngrade
	}
	if _, ok := sessionAttributes(url); !ok && settings.ConnConfig.ValidateConnect == nil {
		settings.ConnConfig.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	settings.ConnConfig.OnPgError = keepsConnection
	return settings, nil
}

// waysAbroad tells how servers on other machines may be talked to: with TLS, without, or both, one after the other.
func waysAbroad(c *pgx.ConnConfig) (encrypted, plain bool) {
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

// attributesKeyword finds target_session_attrs in a connection string of keywords and values.
var attributesKeyword = regexp.MustCompile(`(?:^|\s)target_session_attrs\s*=\s*'?([a-z-]+)`)

// sessionAttributes returns the target_session_attrs of a connection string; ok is false when the string has none.
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

// asksForReads reports whether a connection string prefers servers that take no writes.
func asksForReads(url string) bool {
	switch value, _ := sessionAttributes(url); value {
	case "read-only", "standby", "prefer-standby":
		return true
	default:
		return false
	}
}
