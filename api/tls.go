package main

import (
	"crypto/tls"
	"fmt"
	"log/slog"

	"orderflow/internal/reread"
)

// The variables that name the files of the certificate.
const (
	certFile = "API_TLS_CERT_FILE"
	keyFile  = "API_TLS_KEY_FILE"
)

// certificate is what the api serves TLS with. Its files are read again when they change.
type certificate = reread.Value[*tls.Certificate]

// openCertificate returns the configured certificate, or nil if there is none.
func openCertificate(s settings, logger *slog.Logger) (*certificate, error) {
	if s.TLS.CertFile == "" || s.TLS.KeyFile == "" { // Validate reports one without the other
		return nil, nil
	}
	return reread.Open(logger, parseCertificate,
		reread.File{Setting: certFile, Path: s.TLS.CertFile}, reread.File{Setting: keyFile, Path: s.TLS.KeyFile})
}

func parseCertificate(contents [][]byte) (*tls.Certificate, error) {
	pair, err := tls.X509KeyPair(contents[0], contents[1])
	if err != nil {
		return nil, fmt.Errorf("must hold the certificate of the key in %s, both in PEM: %w", keyFile, err)
	}
	return &pair, nil
}

// tlsConfig returns how to serve TLS, or nil without a certificate. A connection keeps the
// certificate that it began with.
func tlsConfig(c *certificate) *tls.Config {
	if c == nil {
		return nil
	}
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.Get(), nil },
	}
}
