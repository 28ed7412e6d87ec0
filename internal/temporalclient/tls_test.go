package temporalclient_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"orderflow/dev/devserver"
	"orderflow/dev/faultproxy"
	"orderflow/internal/config"
	"orderflow/internal/ops"
	"orderflow/internal/temporalclient"
)

const patience = time.Minute

// frontend is a Temporal frontend behind TLS that demands a client certificate or an API
// key. It responds to health checks and describes every namespace.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	t       *testing.T
	address string // of a proxy, whose connections can be cut
	proxy   *faultproxy.Proxy
	dir     string
	ca      string    // file with its certificate
	log     clientLog // of its clients

	mu      sync.Mutex
	own     tls.Certificate // of the server
	clients *x509.CertPool  // accepted client certificates; nil demands none
	key     string          // the accepted API key
	headers metadata.MD     // of the last call
}

func startFrontend(t *testing.T) *frontend {
	t.Helper()
	f := &frontend{t: t, dir: t.TempDir()}
	var keyFile string
	f.ca, keyFile = f.certificate("frontend", time.Now().Add(time.Hour))
	f.present(f.ca, keyFile)
	var listen net.ListenConfig
	listener, err := listen.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	server := grpc.NewServer(grpc.Creds(credentials.NewTLS(&tls.Config{
		MinVersion: tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			f.mu.Lock()
			defer f.mu.Unlock()
			c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{f.own}, NextProtos: []string{"h2"}}
			if f.clients != nil {
				c.ClientAuth, c.ClientCAs = tls.RequireAndVerifyClientCert, f.clients
			}
			return c, nil
		},
	})))
	checks := health.NewServer()
	checks.SetServingStatus("temporal.api.workflowservice.v1.WorkflowService", grpc_health_v1.HealthCheckResponse_SERVING)
	grpc_health_v1.RegisterHealthServer(server, checks)
	workflowservice.RegisterWorkflowServiceServer(server, f)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	f.proxy, err = faultproxy.Start(listener.Addr().String())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.proxy.Close()) })
	f.address = f.proxy.Addr()
	return f
}

// certificate writes a certificate over an earlier one of the same name.
func (f *frontend) certificate(name string, until time.Time) (certFile, keyFile string) {
	f.t.Helper()
	certFile, keyFile, err := devserver.WriteCertificate(f.dir, name, until)
	require.NoError(f.t, err)
	return certFile, keyFile
}

// present makes the server use the certificate in these files for new connections.
func (f *frontend) present(certFile, keyFile string) {
	f.t.Helper()
	own, err := tls.LoadX509KeyPair(certFile, keyFile)
	require.NoError(f.t, err)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.own = own
}

// acceptOnly demands the client certificate that a file holds now.
func (f *frontend) acceptOnly(certFile string) {
	f.t.Helper()
	pem, err := os.ReadFile(certFile)
	require.NoError(f.t, err)
	pool := x509.NewCertPool()
	require.True(f.t, pool.AppendCertsFromPEM(pem))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients = pool
}

// DescribeNamespace checks the API key, as every call of the service does.
func (f *frontend) DescribeNamespace(ctx context.Context, _ *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.headers, _ = metadata.FromIncomingContext(ctx)
	if f.key != "" && (len(f.headers.Get("authorization")) != 1 || f.headers.Get("authorization")[0] != "Bearer "+f.key) {
		return nil, status.Error(codes.PermissionDenied, "Request unauthorized.")
	}
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (f *frontend) setKey(key string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.key = key
}

func (f *frontend) header(name string) []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.headers.Get(name)
}

// options returns the options of a binary with these variables.
func (f *frontend) options(t *testing.T, variables map[string]string) (client.Options, error) {
	t.Helper()
	t.Setenv("TEMPORAL_ADDRESS", f.address)
	t.Setenv("TEMPORAL_CONFIG_FILE", os.DevNull)
	for name, value := range variables {
		t.Setenv(name, value)
	}
	metrics, err := ops.NewMetrics("test")
	require.NoError(t, err)
	return temporalclient.Options("test", config.Payloads{}, slog.New(slog.NewTextHandler(&f.log, nil)), metrics)
}

// clientLog keeps what clients log.
type clientLog struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *clientLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *clientLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// dial connects as a binary with these variables does, and waits for the server.
func (f *frontend) dial(t *testing.T, variables map[string]string) (client.Client, error) {
	t.Helper()
	options, err := f.options(t, variables)
	require.NoError(t, err)
	return dialFor(t, patience, options)
}

// dialFor waits for the server at most as long as given.
func dialFor(t *testing.T, limit time.Duration, options client.Options) (client.Client, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	c, err := temporalclient.Dial(ctx, options, slog.New(slog.DiscardHandler))
	if err == nil {
		t.Cleanup(c.Close)
	}
	return c, err
}

func TestDial_ClientCertificate(t *testing.T) {
	f := startFrontend(t)
	inAnHour := time.Now().Add(time.Hour)
	certFile, keyFile := f.certificate("client", inAnHour)
	f.acceptOnly(certFile)
	otherCert, otherKey := f.certificate("other", inAnHour)
	expiredCert, expiredKey := f.certificate("expired", time.Now().Add(-time.Minute))
	const (
		caPath, certPath, keyPath = "TEMPORAL_TLS_SERVER_CA_CERT_PATH", "TEMPORAL_TLS_CLIENT_CERT_PATH", "TEMPORAL_TLS_CLIENT_KEY_PATH"
		fault                     = true // of the configuration; otherwise an outage, which is waited for
	)
	for name, c := range map[string]struct {
		variables map[string]string
		want      string
		fault     bool
	}{
		"is accepted":                        {map[string]string{caPath: f.ca, certPath: certFile, keyPath: keyFile}, "", false},
		"is not accepted by the server":      {map[string]string{caPath: f.ca, certPath: otherCert, keyPath: otherKey}, certPath, false},
		"has expired":                        {map[string]string{caPath: f.ca, certPath: expiredCert, keyPath: expiredKey}, certPath, false},
		"is missing":                         {map[string]string{caPath: f.ca}, certPath, false},
		"for a server with an unknown CA":    {map[string]string{caPath: otherCert, certPath: certFile, keyPath: keyFile}, caPath, false},
		"for a server with another name":     {map[string]string{caPath: f.ca, certPath: certFile, keyPath: keyFile, "TEMPORAL_TLS_SERVER_NAME": "temporal.example"}, "TEMPORAL_TLS_SERVER_NAME", false},
		"without its key":                    {map[string]string{caPath: f.ca, certPath: certFile}, "client cert or key path", fault},
		"with another key":                   {map[string]string{caPath: f.ca, certPath: certFile, keyPath: otherKey}, "private key does not match public key", fault},
		"in a file that does not exist":      {map[string]string{caPath: f.ca, certPath: "no-such-file", keyPath: keyFile}, certPath + ": names a file that cannot be read", fault},
		"with a CA file that holds no PEM":   {map[string]string{caPath: os.DevNull, certPath: certFile, keyPath: keyFile}, "server CA", fault},
		"without TLS, which the server has":  {nil, "(TEMPORAL_TLS, ", false},
		"with a CA file that does not exist": {map[string]string{caPath: "no-such-file"}, caPath + ": names a file that cannot be read", fault},
	} {
		var options client.Options
		var invalid error
		t.Run(name+": options", func(t *testing.T) { options, invalid = f.options(t, c.variables) })
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if c.fault {
				require.ErrorContains(t, invalid, c.want)
				require.Equal(t, config.ExitConfiguration, config.ExitCode(invalid))
				return
			}
			require.NoError(t, invalid)
			if c.want == "" {
				_, err := dialFor(t, patience, options)
				require.NoError(t, err)
				return
			}
			_, err := dialFor(t, 5*time.Second, options) // an outage for as long as it lasts
			require.ErrorContains(t, err, c.want)
			require.Equal(t, config.ExitFailure, config.ExitCode(err), "%v", err)
		})
	}
}

func TestClientCertificate_IsRenewedOnDisk(t *testing.T) {
	f := startFrontend(t)
	certFile, keyFile := f.certificate("client", time.Now().Add(time.Hour))
	f.acceptOnly(certFile)
	c, err := f.dial(t, map[string]string{
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH": f.ca, "TEMPORAL_TLS_CLIENT_CERT_PATH": certFile, "TEMPORAL_TLS_CLIENT_KEY_PATH": keyFile,
	})
	require.NoError(t, err)
	f.certificate("client", time.Now().Add(2*time.Hour))
	f.acceptOnly(certFile) // and no longer the first one
	f.awaitReconnect(c)

	require.NoError(t, os.WriteFile(certFile, []byte("half of a"), 0o600))
	f.awaitReconnect(c)
}

// awaitReconnect cuts the connections, and waits until a new one works.
func (f *frontend) awaitReconnect(c client.Client) {
	f.t.Helper()
	f.proxy.Cut()
	require.EventuallyWithT(f.t, func(col *assert.CollectT) {
		require.NoError(col, temporalclient.Check(c)(f.t.Context()))
	}, patience, 10*time.Millisecond)
}

// The certificate of the server is its own authority, so both change at once.
func TestServerAuthority_IsRenewedOnDisk(t *testing.T) {
	f := startFrontend(t)
	c, err := f.dial(t, map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": f.ca})
	require.NoError(t, err)
	f.present(f.certificate("frontend", time.Now().Add(2*time.Hour)))
	f.awaitReconnect(c)

	require.NoError(t, os.WriteFile(f.ca, []byte("half of a"), 0o600))
	f.awaitReconnect(c)

	f.present(f.certificate("other", time.Now().Add(time.Hour))) // of an authority that is in no file of the client's
	f.proxy.Cut()
	require.EventuallyWithT(t, func(col *assert.CollectT) {
		require.ErrorContains(col, temporalclient.Check(c)(t.Context()), "x509: certificate signed by unknown authority")
	}, patience, 10*time.Millisecond)
}

func TestDial_APIKey(t *testing.T) {
	f := startFrontend(t)
	f.setKey("first-key")
	variables := map[string]string{
		"TEMPORAL_TLS_SERVER_CA_CERT_PATH": f.ca, "TEMPORAL_NAMESPACE": "orders.a1b2c", "TEMPORAL_API_KEY": "wrong-key",
	}
	t.Run("refused at the start is a fault of the configuration", func(t *testing.T) {
		_, err := f.dial(t, variables)
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
		require.ErrorContains(t, err, "TEMPORAL_*: the server refuses the credentials for namespace orders.a1b2c")
		require.NotContains(t, err.Error(), "wrong-key")
	})
	t.Run("is sent with the namespace, and its revocation is found", func(t *testing.T) {
		variables["TEMPORAL_API_KEY"] = "first-key"
		c, err := f.dial(t, variables)
		require.NoError(t, err)
		require.Equal(t, []string{"orders.a1b2c"}, f.header("temporal-namespace"))
		verify := temporalclient.Verify(c, "orders.a1b2c")
		require.NoError(t, verify(t.Context()))
		f.setKey("second-key")
		require.ErrorContains(t, verify(t.Context()), "the server refuses the credentials")
		require.NoError(t, temporalclient.Check(c)(t.Context()), "the health check alone does not find it")
		f.setKey("first-key")
		require.NoError(t, verify(t.Context()))
	})
}

func TestAPIKey_IsRenewedOnDisk(t *testing.T) {
	for name, format := range map[string]string{
		"TEMPORAL_API_KEY_FILE": "%s\n",
		"TEMPORAL_CONFIG_FILE":  "[profile.default]\napi_key = \"%s\"\n",
	} {
		t.Run(name, func(t *testing.T) {
			f := startFrontend(t)
			file := f.dir + "/key"
			write := func(key string) { require.NoError(t, os.WriteFile(file, fmt.Appendf(nil, format, key), 0o600)) }
			f.setKey("first-key")
			write("first-key")
			c, err := f.dial(t, map[string]string{"TEMPORAL_TLS_SERVER_CA_CERT_PATH": f.ca, name: file})
			require.NoError(t, err)
			await := func() {
				t.Helper()
				require.EventuallyWithT(t, func(col *assert.CollectT) {
					require.NoError(col, temporalclient.Verify(c, "default")(t.Context()))
				}, patience, 10*time.Millisecond)
			}
			f.setKey("second-key")
			require.ErrorContains(t, temporalclient.Verify(c, "default")(t.Context()), "refuses the credentials")
			write("second-key")
			await()

			write("third key")
			require.EventuallyWithT(t, func(col *assert.CollectT) {
				require.NoError(t, temporalclient.Verify(c, "default")(t.Context()), "the previous key is sent")
				require.Contains(col, f.log.String(), "keeping what was read before")
			}, patience, 10*time.Millisecond)
			f.setKey("third-key")
			write("third-key")
			await()
		})
	}
}

// A profile of temporal.toml in place of the variables.
func TestDial_Profile(t *testing.T) {
	f := startFrontend(t)
	certFile, keyFile := f.certificate("client", time.Now().Add(time.Hour))
	f.acceptOnly(certFile)
	file := f.dir + "/temporal.toml"
	require.NoError(t, os.WriteFile(file, []byte(`[profile.production]
address = "`+f.address+`"
namespace = "orders"
[profile.production.tls]
client_cert_path = "`+certFile+`"
client_key_path = "`+keyFile+`"
server_ca_cert_path = "`+f.ca+`"
`), 0o600))
	_, err := f.dial(t, map[string]string{"TEMPORAL_CONFIG_FILE": file, "TEMPORAL_PROFILE": "production"})
	require.NoError(t, err)
	require.Equal(t, []string{"orders"}, f.header("temporal-namespace"))
}
