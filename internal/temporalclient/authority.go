package temporalclient

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"strings"

	"orderflow/internal/reread"
)

// authorities verify the server's certificate with the file of those that sign it, read
// again for each connection. They take over from the TLS library what Config.RootCAs
// cannot do: the library reads that once.
type authorities struct {
	pool       *reread.Value[*x509.CertPool]
	serverName string
}

// verifyWith makes connections with these settings verify the server's certificate with
// the authorities in a file at that time. host is the server's name if the settings have
// none; they do not get it, because gRPC would send it as the name of the service.
func verifyWith(settings *tls.Config, path, host string, logger *slog.Logger) error {
	pool, err := reread.Open(logger, parsePool, reread.File{Setting: "TEMPORAL_TLS_SERVER_CA_CERT_PATH", Path: path})
	if err != nil {
		return err
	}
	settings.InsecureSkipVerify = true // VerifyConnection verifies
	settings.VerifyConnection = authorities{pool: pool, serverName: cmp.Or(settings.ServerName, host)}.verify
	return nil
}

// verify verifies the chain of a connection as the TLS library does, with the name from
// the settings: the name in the connection's state is empty for an IP address, which would
// match every certificate.
func (a authorities) verify(state tls.ConnectionState) error {
	if a.serverName == "" || len(state.PeerCertificates) == 0 {
		return errors.New("x509: the server has no name or no certificate to verify")
	}
	options := x509.VerifyOptions{DNSName: a.serverName, Roots: a.pool.Reread(), Intermediates: x509.NewCertPool()}
	for _, certificate := range state.PeerCertificates[1:] {
		options.Intermediates.AddCert(certificate)
	}
	if _, err := state.PeerCertificates[0].Verify(options); err != nil {
		return &tls.CertificateVerificationError{UnverifiedCertificates: state.PeerCertificates, Err: err}
	}
	return nil
}

func parsePool(contents [][]byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(contents[0]) {
		return nil, errors.New("holds no certificate")
	}
	return pool, nil
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
