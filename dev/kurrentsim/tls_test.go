package kurrentsim_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
)

// secureServer is a server whose only port has TLS, with admin and the given users.
type secureServer struct {
	*testServer
}

const secret = kurrentsimtest.Password

func user(name string, groups ...string) kurrentsim.User { return kurrentsimtest.User(name, groups...) }

func newSecure(t *testing.T, options kurrentsim.Options, others ...kurrentsim.User) *secureServer {
	t.Helper()
	s := &secureServer{testServer: &testServer{T: t, server: kurrentsimtest.StartSecure(t, options, others...).Server}}
	s.client = s.connectAs(kurrentsimtest.Admin, secret).client
	return s
}

// connectAs returns the server with a client of another user. An empty name means no
// credentials.
func (s *secureServer) connectAs(name, password string) *testServer {
	s.Helper()
	credentials := ""
	if name != "" {
		credentials = name + ":" + password + "@"
	}
	return &testServer{T: s.T, server: s.server, client: dial(s.T, "kurrentdb://"+credentials+s.server.Addr()+"?tlsVerifyCert=false")}
}

// http sends a request to the server's HTTP side as a user, and returns the status and
// the body.
func (s *secureServer) http(method, path, name, password, body string) (status int, answer string) {
	s.Helper()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(s.Context(), method, "https://"+s.server.Addr()+path, strings.NewReader(body))
	require.NoError(s, err)
	request.Header.Set("Content-Type", "application/json")
	if name != "" {
		request.SetBasicAuth(name, password)
	}
	response, err := (&http.Client{Transport: transport}).Do(request)
	require.NoError(s, err)
	read, err := io.ReadAll(response.Body)
	require.NoError(s, errors.Join(err, response.Body.Close()))
	return response.StatusCode, string(read)
}

func TestSecurePort(t *testing.T) {
	t.Parallel()
	s := newSecure(t, kurrentsim.Options{})
	s.append("s-1", kurrentdb.NoStream{}, event("a"))
	for name, c := range map[string]struct {
		name, password string
		want           kurrentdb.ErrorCode
	}{
		"refuses a wrong password":     {"admin", "wrong", kurrentdb.ErrorCodeUnauthenticated},
		"refuses an unknown user":      {"nobody", secret, kurrentdb.ErrorCodeUnauthenticated},
		"denies a call without a user": {"", "", kurrentdb.ErrorCodeAccessDenied},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			caller := s.connectAs(c.name, c.password)
			_, err := caller.tryReadStream("s-1", kurrentdb.ReadStreamOptions{})
			requireCode(t, err, c.want)
			_, err = caller.tryAppend("s-1", kurrentdb.Any{}, events(50)...)
			requireCode(t, err, c.want)
			_, err = caller.client.GetPersistentSubscriptionInfo(t.Context(), "s-1", "g", kurrentdb.GetPersistentSubscriptionOptions{})
			requireCode(t, err, c.want)
		})
	}
}

func TestSecureBrowser(t *testing.T) {
	t.Parallel()
	s := newSecure(t, kurrentsim.Options{}, user("plain"))
	require.Contains(t, s.server.URL(), "tls=true")
	for name, c := range map[string]struct {
		path, name, password string
		want                 int
	}{
		"health needs no user":           {"/health/live", "", "", http.StatusNoContent},
		"pages need a user":              {"/web/", "", "", http.StatusUnauthorized},
		"pages need the right password":  {"/web/", "admin", "wrong", http.StatusUnauthorized},
		"pages are not for a plain user": {"/web/", "plain", secret, http.StatusUnauthorized},
		"pages are for an administrator": {"/web/", "admin", secret, http.StatusOK},
	} {
		t.Run(name, func(t *testing.T) {
			status, _ := s.http(http.MethodGet, c.path, c.name, c.password, "")
			require.Equal(t, c.want, status)
		})
	}
}
