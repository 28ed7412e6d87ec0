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
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
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
	server, err := OpenSecure(options, certificate, key, others...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, server.Stop(context.Background())) })
	return server
}

// OpenSecure is StartSecure with a given certificate, which is its own authority. The
// caller stops the server.
func OpenSecure(options kurrentsim.Options, certificate, key string, others ...kurrentsim.User) (*Secure, error) {
	options.SecureOnly = true
	options.TLS = &kurrentsim.TLSOptions{
		Listen: "127.0.0.1:0", CertFile: certificate, KeyFile: key, Users: append([]kurrentsim.User{User(Admin)}, others...),
	}
	server, err := kurrentsim.Start(options)
	if err != nil {
		return nil, err
	}
	return &Secure{Server: server, CAFile: certificate}, nil
}

// URLFor returns the connection string of a user with Password.
func (s *Secure) URLFor(user string) string {
	return "kurrentdb://" + user + ":" + Password + "@" + s.Addr() + "?tlsCaFile=" + url.QueryEscape(s.CAFile)
}

// StopProjection stops a system projection as an administrator.
func (s *Secure) StopProjection(ctx context.Context, name string) error {
	settings, err := kurrentdb.ParseConnectionString(s.URLFor(Admin))
	if err != nil {
		return err
	}
	settings.Logger = kurrentdb.NoopLogging()
	projections, err := kurrentdb.NewProjectionClient(settings)
	if err != nil {
		return err
	}
	return errors.Join(projections.Disable(ctx, name, kurrentdb.GenericProjectionOptions{}), projections.Close())
}

// CreateUser creates a user as an administrator does over HTTP, with Password. Unlike
// those a server starts with, it is in the log.
func (s *Secure) CreateUser(t testing.TB, name string, groups ...string) {
	t.Helper()
	require.NoError(t, s.AddUser(t.Context(), name, groups...))
}

// AddUser is CreateUser outside of a test. It does nothing if there is such a user.
func (s *Secure) AddUser(ctx context.Context, name string, groups ...string) error {
	authority, err := os.ReadFile(s.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	body, err := json.Marshal(map[string]any{"loginName": name, "fullName": name, "password": Password, "groups": groups})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+s.Addr()+"/users/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	request.SetBasicAuth(Admin, Password)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusCreated && response.StatusCode != http.StatusConflict {
		err = fmt.Errorf("create user %s: %s", name, response.Status)
	}
	return errors.Join(err, response.Body.Close())
}
