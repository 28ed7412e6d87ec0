package postgres

import (
	"net"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"orderflow/internal/config"
)

var (
	errMalformedURL = config.Invalid("POSTGRES_URL", "must be a connection string such as postgres://user:password@host:port/database")

	errDowngrade = config.Invalid("POSTGRES_URL",
		"would go on without TLS where the server, or somebody between, offers none: say sslmode=verify-full, or sslmode=disable to do without")
)

// parseURL reads a connection string, options of a pool included. What sslmode's default does to a server on another
// machine, to try TLS and then to send names and addresses without, is refused.
func parseURL(url string) (*pgxpool.Config, error) {
	settings, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errMalformedURL // the parser's own error repeats the URL
	}
	if encrypted, plain := waysAbroad(settings.ConnConfig); encrypted && plain {
		return nil, errDowngrade
	}
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
