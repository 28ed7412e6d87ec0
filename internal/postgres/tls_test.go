package postgres_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/devserver"
	"orderflow/internal/postgres"
)

// certificate makes a self-signed certificate of the loopback address, and writes it and its key to files.
func certificate(t *testing.T, name string, until time.Time) (certFile, keyFile string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: until.Add(-24 * time.Hour), NotAfter: until, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	key, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, name+".crt"), filepath.Join(dir, name+".key")
	require.NoError(t, os.WriteFile(certFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key}), 0o600))
	return certFile, keyFile
}

// encrypted starts a server that speaks TLS with a certificate that is valid until then.
func encrypted(t *testing.T, until time.Time) (address *url.URL, certFile string) {
	t.Helper()
	certFile, keyFile := certificate(t, "server", until)
	server, err := devserver.StartPostgres(t.Context(), devserver.PostgresOptions{
		Dir: t.TempDir(), Fast: true, Settings: map[string]string{"ssl": "on", "ssl_cert_file": certFile, "ssl_key_file": keyFile},
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.WithoutCancel(t.Context()))) })
	address, err = url.Parse(server.URL)
	require.NoError(t, err)
	return address, certFile
}

// ping asks a server through a URL that is changed in this way.
func ping(t *testing.T, address url.URL, query url.Values) error {
	t.Helper()
	address.RawQuery = query.Encode()
	store, err := postgres.Open(t.Context(), postgres.Config{URL: address.String(), CallTimeout: 10 * time.Second})
	require.NoError(t, err)
	defer store.Close()
	return store.Ping(t.Context())
}

func TestAServerThatCannotProveWhoItIsGetsNothing(t *testing.T) {
	t.Parallel()
	tomorrow := time.Now().Add(24 * time.Hour)
	address, ours := encrypted(t, tomorrow)
	expired, late := encrypted(t, time.Now().Add(-time.Hour))
	theirs, _ := certificate(t, "stranger", tomorrow)
	verified := func(ca string) url.Values { return url.Values{"sslmode": {"verify-full"}, "sslrootcert": {ca}} }

	require.NoError(t, ping(t, *address, verified(ours)))
	require.ErrorContains(t, ping(t, *address, verified(theirs)), "unknown authority")
	require.ErrorContains(t, ping(t, *expired, verified(late)), "expired")
	plain, err := url.Parse(cluster.URL)
	require.NoError(t, err)
	require.ErrorContains(t, ping(t, *plain, verified(ours)), "refused TLS", "no falling back to plaintext")
}

func TestARefusedUserIsToldWithoutThePassword(t *testing.T) {
	t.Parallel()
	address, err := url.Parse(cluster.URL)
	require.NoError(t, err)
	address.User = url.UserPassword("nobody", "hush")
	err = ping(t, *address, address.Query())
	require.ErrorContains(t, err, "28P01", "PostgreSQL's code for a refused password")
	require.False(t, strings.Contains(err.Error(), "hush"), err.Error())
}
