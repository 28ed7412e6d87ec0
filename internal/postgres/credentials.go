package postgres

import (
	"crypto/tls"
	"errors"
	"sync"

	"github.com/jackc/pgx/v5"

	"orderflow/internal/config"
)

// errOtherServer is returned for a connection string that names another server, database
// or set of hosts. The sessions that are open stay with the server they have, so only a
// restart moves them all.
var errOtherServer = errors.New("it names another server or database, which takes a restart")

// credentials reads again, for each new connection, what other programs renew while this
// one runs: user and password in the file of the connection string, and the certificates,
// keys and passwords in the files that the string names. Connections that are open keep
// what they were made with. It is safe for concurrent use.
type credentials struct {
	config Config

	opened *pgx.ConnConfig // as of the URL when the pool was opened

	mu   sync.Mutex
	last *pgx.ConnConfig // the newest that could be used
}

func newCredentials(c Config, opened *pgx.ConnConfig) *credentials {
	return &credentials{config: c, opened: opened.Copy(), last: opened.Copy()}
}

// apply puts the credentials of this moment into the settings of a connection. While they
// cannot be read, or do not belong together because only one file has been replaced yet,
// it uses the previous ones.
func (c *credentials) apply(settings *pgx.ConnConfig) {
	found, err := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.last = found
	} else {
		c.config.Logger.Warn("credentials for postgres cannot be read, using the previous ones", "error", err)
	}
	latest := c.last.Copy() // a connection may change its own
	settings.User, settings.Password = latest.User, latest.Password
	settings.TLSConfig, settings.Fallbacks = latest.TLSConfig, latest.Fallbacks
}

// read parses the connection string again, and with it the files that it names.
func (c *credentials) read() (*pgx.ConnConfig, error) {
	url := c.config.URL
	if c.config.URLFile != "" {
		content, err := config.ReadFile(c.config.URLFile)
		if err != nil {
			return nil, err
		}
		url = content
	}
	found, err := parseURL(url)
	if err != nil {
		return nil, err
	}
	if !sameServer(c.opened, found.ConnConfig) {
		return nil, errOtherServer
	}
	return found.ConnConfig, nil
}

// sameServer reports whether two connection strings lead to the same database by the same
// hosts, each with TLS or without as before, and with its certificate verified as before.
func sameServer(a, b *pgx.ConnConfig) bool {
	same := a.Host == b.Host && a.Port == b.Port && a.Database == b.Database && len(a.Fallbacks) == len(b.Fallbacks) &&
		tlsModeOf(a.TLSConfig) == tlsModeOf(b.TLSConfig)
	for i := 0; same && i < len(a.Fallbacks); i++ {
		x, y := a.Fallbacks[i], b.Fallbacks[i]
		same = x.Host == y.Host && x.Port == y.Port && tlsModeOf(x.TLSConfig) == tlsModeOf(y.TLSConfig)
	}
	return same
}

// tlsMode is what sslmode asks for.
type tlsMode struct{ encrypted, chainVerified, nameVerified bool }

func tlsModeOf(c *tls.Config) tlsMode {
	if c == nil {
		return tlsMode{}
	}
	return tlsMode{true, !c.InsecureSkipVerify || c.VerifyPeerCertificate != nil, !c.InsecureSkipVerify}
}
