package devserver

import (
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// certificateLife is longer than any test. Each start makes a new certificate.
const certificateLife = 12 * time.Hour

// hostRules let clients in over TLS only.
const hostRules = "hostssl all all 127.0.0.1/32 scram-sha-256\nhostssl replication all 127.0.0.1/32 scram-sha-256\n"

func (c *cluster) certificate() string { return filepath.Join(c.options.Dir, "server.crt") }
func (c *cluster) rules() string       { return filepath.Join(c.options.Dir, "hostssl.conf") }

// secure writes a new certificate and the rules for clients, and returns the settings that
// use them.
func (c *cluster) secure() (map[string]string, error) {
	certificate, key, err := WriteCertificate(c.options.Dir, "server", time.Now().Add(certificateLife))
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(c.rules(), []byte(hostRules), 0o600); err != nil {
		return nil, err
	}
	for _, file := range []string{certificate, key, c.rules()} {
		if err := c.as.own(file); err != nil {
			return nil, err
		}
	}
	return map[string]string{"ssl": "on", "ssl_cert_file": certificate, "ssl_key_file": key, "hba_file": c.rules()}, nil
}

// sslMode returns how clients verify the server.
func (c *cluster) sslMode() url.Values {
	if !c.options.TLS {
		return url.Values{"sslmode": {"disable"}}
	}
	return url.Values{"sslmode": {"verify-full"}, "sslrootcert": {c.certificate()}}
}
