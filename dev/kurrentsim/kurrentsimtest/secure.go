// Package kurrentsimtest starts servers in place of KurrentDB for tests. Server is a
// kurrentsim that can be stopped and started again, and Secure is one with TLS, users and
// their rights. Cluster is several addresses of one kurrentsim. Gateway forwards calls to a server, and injects faults into single calls.
// StartStub starts a server that completes the client's handshake and passes every other
// call to the test. Faults of the network are left to package faultproxy.
package kurrentsimtest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/dev/devserver/devservertest"
	"orderflow/dev/kurrentsim"
)

// Password is the password of all users here.
const Password = "secret"

// Admin is the user that every secure server has.
const Admin = "admin"

// User returns a user in groups, with Password.
func User(name string, groups ...string) kurrentsim.User {
	return kurrentsim.User{Name: name, Groups: groups, Password: Password}
}

// Secure is a server whose only port has TLS.
type Secure struct {
	*kurrentsim.Server
	CAFile string // PEM
}

// StartSecure starts a server with Admin and the given other users. It stops with the
// test.
func StartSecure(t testing.TB, options kurrentsim.Options, others ...kurrentsim.User) *Secure {
	t.Helper()
	certificate, key := devservertest.Certificate(t, "node", time.Now().Add(time.Hour))
	options.SecureOnly = true
	options.TLS = &kurrentsim.TLSOptions{
		Listen: "127.0.0.1:0", CertFile: certificate, KeyFile: key, Users: append([]kurrentsim.User{User(Admin)}, others...),
	}
	server, err := kurrentsim.Start(options)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return &Secure{Server: server, CAFile: certificate}
}

// URLFor returns the connection string of a user with Password.
func (s *Secure) URLFor(user string) string {
	return "kurrentdb://" + user + ":" + Password + "@" + s.Addr() + "?tlsCaFile=" + url.QueryEscape(s.CAFile)
}

// CreateUser creates a user as an administrator does over HTTP, with Password. Unlike
// those a server starts with, it is in the log.
func (s *Secure) CreateUser(t testing.TB, name string, groups ...string) {
	t.Helper()
	authority, err := os.ReadFile(s.CAFile)
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(authority))
	body, err := json.Marshal(map[string]any{"loginName": name, "fullName": name, "password": Password, "groups": groups})
	require.NoError(t, err)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+s.Addr()+"/users/", bytes.NewReader(body))
	require.NoError(t, err)
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(Admin, Password)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	response, err := client.Do(request)
	require.NoError(t, err)
	require.NoError(t, response.Body.Close())
	require.Equal(t, http.StatusCreated, response.StatusCode)
}
