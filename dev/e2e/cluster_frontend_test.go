package e2e_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

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
	dir  string              // of the certificates
	name *faultproxy.Proxy   // leads to one of them
	own  tls.Certificate     // of both
	ends [2]string           // addresses
	on   []*faultproxy.Relay // check the key, and count calls

	closers []func() error

	mu      sync.Mutex
	clients *x509.CertPool // accepted client certificates
	key     string         // accepted API key
}

const firstKey = "first-key"

// startFrontends keeps its certificates in dir. The caller closes the frontends, also
// those of an error.
func startFrontends(dir, server string) (f *frontends, err error) {
	f = &frontends{dir: dir, key: firstKey}
	if f.own, err = newCertificate(dir, "frontend"); err != nil {
		return f, err
	}
	if err := f.renewClientCertificate(); err != nil {
		return f, err
	}
	for i := range f.ends {
		relay, err := faultproxy.StartRelay(server)
		if err != nil {
			return f, err
		}
		f.closers = append(f.closers, relay.Close)
		relay.Intercept(f.checkKey)
		f.on = append(f.on, relay)
		if f.ends[i], err = f.terminateTLS(relay.Addr()); err != nil {
			return f, err
		}
	}
	if f.name, err = faultproxy.Start(f.ends[0]); err != nil {
		return f, err
	}
	f.closers = append(f.closers, f.name.Close)
	return f, nil
}

// close ends what was started last first.
func (f *frontends) close() error {
	var errs []error
	for _, closer := range slices.Backward(f.closers) {
		errs = append(errs, closer())
	}
	return errors.Join(errs...)
}

// newCertificate writes a certificate that outlasts the tests.
func newCertificate(dir, name string) (tls.Certificate, error) {
	certificate, key, err := devserver.WriteCertificate(dir, name, time.Now().Add(12*time.Hour))
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.LoadX509KeyPair(certificate, key)
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
func (f *frontends) renewClientCertificate() error {
	accepted, err := newCertificate(f.dir, "client")
	if err != nil {
		return err
	}
	pool := x509.NewCertPool()
	pool.AddCert(accepted.Leaf)
	f.mu.Lock()
	defer f.mu.Unlock()
	f.clients = pool
	return nil
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

// terminateTLS listens with TLS for clients with the accepted certificate.
func (f *frontends) terminateTLS(target string) (address string, err error) {
	listener, err := terminateTLS(target, &tls.Config{
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
	if err != nil {
		return "", err
	}
	f.closers = append(f.closers, listener.Close)
	return listener.Addr().String(), nil
}

// terminateTLS listens with TLS until it is closed and forwards to an address.
func terminateTLS(target string, settings *tls.Config) (net.Listener, error) {
	listener, err := tls.Listen("tcp", "127.0.0.1:0", settings)
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go forward(client, target)
		}
	}()
	return listener, nil
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
