package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/devserver"
	"orderflow/dev/faultproxy"
)

// frontends are two addresses of a Temporal server under one name. Each demands TLS with
// a client certificate, and an API key.
type frontends struct {
	t    *testing.T
	dir  string              // of the certificates
	name *faultproxy.Proxy   // leads to one of them
	own  tls.Certificate     // of both
	ends [2]string           // addresses
	on   []*faultproxy.Relay // check the key, and count calls

	mu      sync.Mutex
	clients *x509.CertPool // accepted client certificates
	key     string         // accepted API key
}

const firstKey = "first-key"

func startFrontends(t *testing.T, server string) *frontends {
	t.Helper()
	f := &frontends{t: t, dir: t.TempDir(), key: firstKey}
	_, _, err := devserver.WriteCertificate(f.dir, "frontend", time.Now().Add(time.Hour))
	require.NoError(t, err)
	f.own, err = tls.LoadX509KeyPair(f.file("frontend.crt"), f.file("frontend.key"))
	require.NoError(t, err)
	f.renewClientCertificate()
	for i := range f.ends {
		relay, err := faultproxy.StartRelay(server)
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, relay.Close()) })
		relay.Intercept(f.checkKey)
		f.on = append(f.on, relay)
		f.ends[i] = f.terminateTLS(relay.Addr())
	}
	f.name, err = faultproxy.Start(f.ends[0])
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.name.Close()) })
	return f
}

func (f *frontends) file(name string) string { return filepath.Join(f.dir, name) }

// environ returns the variables by which a binary connects.
func (f *frontends) environ() []string {
	return []string{
		"TEMPORAL_ADDRESS=" + f.name.Addr(), "TEMPORAL_CONFIG_FILE=" + os.DevNull, "TEMPORAL_API_KEY=" + firstKey,
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH=" + f.file("frontend.crt"),
		"TEMPORAL_TLS_CLIENT_CERT_PATH=" + f.file("client.crt"), "TEMPORAL_TLS_CLIENT_KEY_PATH=" + f.file("client.key"),
	}
}

// renewClientCertificate replaces the client's certificate on disk. From now on only the
// new one is accepted.
func (f *frontends) renewClientCertificate() {
	f.t.Helper()
	certFile, _, err := devserver.WriteCertificate(f.dir, "client", time.Now().Add(time.Hour))
	require.NoError(f.t, err)
	pem, err := os.ReadFile(certFile)
	require.NoError(f.t, err)
	pool := x509.NewCertPool()
	require.True(f.t, pool.AppendCertsFromPEM(pem))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients = pool
}

// accept changes the API key that is accepted.
func (f *frontends) accept(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.key = key
}

// move makes the name lead to the other address, and ends the connections to the first.
func (f *frontends) move() {
	f.name.PointTo(f.ends[1])
	f.name.Cut()
}

func (f *frontends) checkKey(method string, stream grpc.ServerStream, pass func(grpc.ServerStream) error) error {
	f.mu.Lock()
	key := f.key
	f.mu.Unlock()
	sent := metadata.ValueFromIncomingContext(stream.Context(), "authorization")
	if method != "Health/Check" && !slices.Equal(sent, []string{"Bearer " + key}) {
		return status.Error(codes.PermissionDenied, "Request unauthorized.")
	}
	return pass(stream)
}

// terminateTLS listens with TLS until the test ends and forwards to an address.
func (f *frontends) terminateTLS(target string) (address string) {
	f.t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			return &tls.Config{
				MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{f.own}, NextProtos: []string{"h2"},
				ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: f.clients,
			}, nil
		},
	})
	require.NoError(f.t, err)
	f.t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(client, target)
		}
	}()
	return listener.Addr().String()
}

// forward connects a client with a server until either closes.
func forward(client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	go func() {
		defer func() { _ = client.Close() }()
		_, _ = io.Copy(client, server)
	}()
	_, _ = io.Copy(server, client)
	_ = server.Close()
}
