package temporalclient

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
)

// authorityFile is the file of the authorities that sign the server's certificate, read
// again for each connection. It takes over from the TLS library what Config.RootCAs
// cannot do: the library reads that once.
type authorityFile struct {
	path, serverName string
	logger           *slog.Logger

	mu   sync.Mutex
	last *x509.CertPool
}

// verifyWith makes connections with these settings verify the server's certificate with
// the authorities in a file at that time. host is the server's name if the settings have
// none; they do not get it, because gRPC would send it as the name of the service. The
// settings must have the authorities of this moment.
func verifyWith(settings *tls.Config, path, host string, logger *slog.Logger) {
	f := &authorityFile{path: path, serverName: cmp.Or(settings.ServerName, host), logger: logger, last: settings.RootCAs}
	settings.InsecureSkipVerify = true // VerifyConnection verifies
	settings.VerifyConnection = f.verify
}

// verify verifies the chain of a connection as the TLS library does, with the name from
// the settings: the name in the connection's state is empty for an IP address, which would
// match every certificate.
func (f *authorityFile) verify(state tls.ConnectionState) error {
	if f.serverName == "" || len(state.PeerCertificates) == 0 {
		return errors.New("x509: the server has no name or no certificate to verify")
	}
	options := x509.VerifyOptions{DNSName: f.serverName, Roots: f.read(), Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

// read returns the authorities in the file, or the last ones while it holds none.
func (f *authorityFile) read() *x509.CertPool {
	f.mu.Lock()
	defer f.mu.Unlock()
	pem, err := os.ReadFile(f.path)
	found := x509.NewCertPool()
	if err == nil && !found.AppendCertsFromPEM(pem) {
		err = fmt.Errorf("%s holds no certificate", f.path)
	}
	if err != nil {
		f.logger.Warn("certificates of authorities for Temporal cannot be read, using the previous ones", "error", err)
		return f.last
	}
	f.last = found
	return found
}

// hostOf returns the host of an address as gRPC verifies it: without a scheme and port.
func hostOf(address string) string {
	if _, rest, ok := strings.Cut(address, ":///"); ok {
		address = rest
	}
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}
