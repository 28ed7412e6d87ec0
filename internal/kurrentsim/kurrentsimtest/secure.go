// Package kurrentsimtest starts the stand-in for KurrentDB in tests: with TLS, users and their rights.
package kurrentsimtest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrentsim"
	"orderflow/internal/kurrentsim/access"
	"orderflow/internal/kurrentsim/users"
)

// Password is that of all users here.
const Password = "secret"

// Admin is the user that every secure server has.
const Admin = "admin"

// User describes a user in groups.
func User(name string, groups ...string) users.User {
	return users.User{User: access.User{Name: name, Groups: groups}, Password: Password}
}

// Secure is a server whose only port has TLS.
type Secure struct {
	*kurrentsim.Server
	CAFile string // PEM
}

// StartSecure starts a server with Admin and other users. It stops with the test.
func StartSecure(t testing.TB, options kurrentsim.Options, others ...users.User) *Secure {
	t.Helper()
	certificate, key := Certificate(t)
	options.SecureOnly = true
	options.TLS = &kurrentsim.TLSOptions{
		Listen: "127.0.0.1:0", CertFile: certificate, KeyFile: key, Users: append([]users.User{User(Admin)}, others...),
	}
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return &Secure{Server: server, CAFile: certificate}
}

// URLFor is the connection string of a user with Password.
func (s *Secure) URLFor(user string) string {
	return "kurrentdb://" + user + ":" + Password + "@" + s.Addr() + "?tlsCaFile=" + url.QueryEscape(s.CAFile)
}

// Certificate makes a certificate for this machine that is its own authority. Both are names of PEM files.
func Certificate(t testing.TB) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
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
