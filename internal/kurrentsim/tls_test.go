package kurrentsim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrentsim"
)

func TestSecurePortLetsInOnlyTheUser(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	address := listener.Addr().String()
	require.NoError(t, listener.Close())
	w := newWorld(t, kurrentsim.Options{TLS: &kurrentsim.TLSOptions{
		Listen: address, CertFile: certificate, KeyFile: key, User: "admin", Password: "secret",
	}})
	w.append("s-1", kurrentdb.NoStream{}, event("a"))
	for credentials, allowed := range map[string]bool{"admin:secret@": true, "admin:wrong@": false, "": false} {
		w.client = dial(t, "kurrentdb://"+credentials+address+"?tlsVerifyCert=false")
		_, err := w.tryReadStream("s-1", kurrentdb.ReadStreamOptions{})
		if allowed {
			require.NoError(t, err)
			continue
		}
		requireCode(t, err, kurrentdb.ErrorCodeUnauthenticated)
	}
}

func TestBrowserOnTheSecurePortIsAskedForTheCredentials(t *testing.T) {
	t.Parallel()
	certificate, key := selfSigned(t)
	w := newWorld(t, kurrentsim.Options{SecureOnly: true, TLS: &kurrentsim.TLSOptions{
		Listen: "127.0.0.1:0", CertFile: certificate, KeyFile: key, User: "admin", Password: "secret",
	}})
	require.Contains(t, w.server.URL(), "tls=true")
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	t.Cleanup(transport.CloseIdleConnections)
	status := func(path, password string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+w.server.Addr()+path, nil)
		require.NoError(t, err)
		if password != "" {
			request.SetBasicAuth("admin", password)
		}
		response, err := (&http.Client{Transport: transport}).Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusNoContent, status("/health/live", ""))
	require.Equal(t, http.StatusUnauthorized, status("/web/", ""))
	require.Equal(t, http.StatusUnauthorized, status("/web/", "wrong"))
	require.Equal(t, http.StatusOK, status("/web/", "secret"))
}

func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(private)
	require.NoError(t, err)
	dir := t.TempDir()
	certificate, key = filepath.Join(dir, "node.crt"), filepath.Join(dir, "node.key")
	for path, block := range map[string]*pem.Block{
		certificate: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: encoded},
	} {
		require.NoError(t, os.WriteFile(path, pem.EncodeToMemory(block), 0o600))
	}
	return certificate, key
}
