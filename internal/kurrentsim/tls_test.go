package kurrentsim_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
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
