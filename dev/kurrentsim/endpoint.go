package kurrentsim

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"orderflow/dev/kurrentsim/rpc"
)

// stopGrace is how long a stop waits for calls to end on their own.
const stopGrace = 500 * time.Millisecond

// endpoint is one port with everything that is served on it.
type endpoint struct {
	mux      *mux
	grpc     *grpc.Server
	http     *http.Server
	guard    *rpc.Guard // decides access; nil without TLS, where every caller may do everything
	finished chan error // one result of each server loop
}

func newEndpoint(listener net.Listener, extra ...grpc.ServerOption) *endpoint {
	options := append(rpc.ServerOptions(),
		grpc.WaitForHandlers(true),            // no handler still writes when the data is closed
		grpc.MaxSendMsgSize(2*rpc.MaxMessage), // a resolved event includes its link too
		// The client pings every ten seconds, with and without calls; the default policy
		// closes the connection for that.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}))
	options = append(options, extra...)
	return &endpoint{mux: newMux(listener), grpc: grpc.NewServer(options...), finished: make(chan error, 2)}
}

// listenPlain opens a port without credentials. Its error contains the address and the
// reason.
func listenPlain(address string) (*endpoint, error) {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	return newEndpoint(listener), nil
}

// listenTLS opens a port on which callers have rights. The caller must complete its guard
// before it serves.
func listenTLS(o TLSOptions) (*endpoint, error) {
	certificate, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("load certificate: %w", err)
	}
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return nil, err
	}
	secure := tls.NewListener(listener, &tls.Config{
		Certificates: []tls.Certificate{certificate},
		NextProtos:   []string{"h2"}, // the client requires it to be negotiated
		MinVersion:   tls.VersionTLS12,
		GetConfigForClient: func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			return forBrowser(certificate, hello), nil
		},
	})
	guard := &rpc.Guard{}
	e := newEndpoint(secure, guard.Interceptors()...)
	e.guard = guard
	return e, nil
}

// forBrowser keeps browsers, which offer both, away from HTTP/2, because this port speaks
// only gRPC over HTTP/2. It returns nil for other clients.
func forBrowser(certificate tls.Certificate, hello *tls.ClientHelloInfo) *tls.Config {
	if !slices.Contains(hello.SupportedProtos, "http/1.1") {
		return nil
	}
	return &tls.Config{
		Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"}, MinVersion: tls.VersionTLS12,
	}
}

// serve serves gRPC calls, and the pages of the browser to other requests. Without TLS
// there are no users to manage.
func (e *endpoint) serve(browser, users http.Handler, maxAppend int) {
	pages := http.NewServeMux()
	pages.Handle("/", browser)
	pages.HandleFunc("GET /info/options", infoOptions(maxAppend))
	e.http = newHTTPServer(pages)
	if e.guard != nil {
		pages.Handle("POST /users/{$}", users)
		e.http = newHTTPServer(e.guard.Admins(pages))
	}
	go func() { e.finished <- e.grpc.Serve(e.mux.grpc) }()
	go func() { e.finished <- e.http.Serve(e.mux.http) }()
	e.mux.start()
}

// stop ends all calls. Calls that do not end on their own within stopGrace are cut off.
func (e *endpoint) stop(ctx context.Context) error {
	err := e.mux.close()
	e.stopGRPC(ctx)
	err = errors.Join(err, e.http.Close())
	for range cap(e.finished) {
		if served := <-e.finished; !isStopped(served) {
			err = errors.Join(err, served)
		}
	}
	return err
}

// isStopped reports whether a server loop returned because it was stopped, possibly
// before it started to serve.
func isStopped(served error) bool {
	return errors.Is(served, http.ErrServerClosed) || errors.Is(served, net.ErrClosed) || errors.Is(served, grpc.ErrServerStopped)
}

// stopGRPC waits stopGrace for calls to end, so that an append gets its response.
func (e *endpoint) stopGRPC(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		e.grpc.GracefulStop()
	}()
	select {
	case <-graceful:
	case <-ctx.Done():
		e.grpc.Stop()
		<-graceful
	}
}
