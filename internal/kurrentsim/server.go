package kurrentsim

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"orderflow/internal/kurrentsim/groups"
	"orderflow/internal/kurrentsim/journal"
	"orderflow/internal/kurrentsim/rpc"
	"orderflow/internal/kurrentsim/store"
)

const (
	// maxMessage leaves room around the largest event for what frames it on the wire.
	maxMessage = store.MaxEventSize + 1<<20
	// stopGrace is how long Stop lets calls end by themselves.
	stopGrace = 500 * time.Millisecond
)

// Options of a server. The zero value listens on a free port of the loopback interface and keeps everything in memory.
type Options struct {
	Listen  string // host:port; empty means 127.0.0.1:0
	DataDir string // empty means in memory
	Logger  *slog.Logger
}

// Server is a running node.
type Server struct {
	logger   *slog.Logger
	store    *store.Store
	groups   *groups.Manager
	grpc     *grpc.Server
	http     *http.Server
	mux      *mux
	stop     context.CancelFunc
	finished chan error // one result of each server loop
}

// Start opens the data and serves until Stop. When it returns, clients may connect.
func Start(options Options) (*Server, error) {
	if options.Logger == nil {
		options.Logger = slog.New(slog.DiscardHandler)
	}
	if options.Listen == "" {
		options.Listen = "127.0.0.1:0"
	}
	// The port comes first: a second server on it must not touch the first one's data.
	listener, err := net.Listen("tcp", options.Listen)
	if err != nil {
		return nil, err // it says what could not be listened on, and why
	}
	events, err := openStore(options)
	if err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	manager, err := groups.Open(events, options.Logger)
	if err != nil {
		return nil, errors.Join(err, events.Close(), listener.Close())
	}
	s := newServer(options, events, manager, listener)
	s.serve()
	return s, nil
}

func openStore(options Options) (*store.Store, error) {
	var storage journal.Storage = &journal.Memory{}
	if options.DataDir != "" {
		file, err := journal.OpenFile(options.DataDir)
		if err != nil {
			return nil, err
		}
		storage = file
	}
	events, cut, err := store.Open(store.Config{Storage: storage})
	if err != nil {
		return nil, errors.Join(err, storage.Close())
	}
	if cut > 0 {
		options.Logger.Warn("cut a torn tail that was never acknowledged", "bytes", cut)
	}
	return events, nil
}

func newServer(options Options, events *store.Store, manager *groups.Manager, listener net.Listener) *Server {
	stopping, stop := context.WithCancel(context.Background())
	s := &Server{
		logger:   options.Logger,
		store:    events,
		groups:   manager,
		mux:      newMux(listener),
		http:     newHealthServer(),
		stop:     stop,
		finished: make(chan error, 2),
	}
	service := &rpc.Service{Store: events, Groups: manager, Logger: options.Logger, Stopping: stopping}
	s.grpc = newGRPC()
	service.Register(s.grpc)
	return s
}

func newGRPC() *grpc.Server {
	return grpc.NewServer(
		grpc.MaxRecvMsgSize(maxMessage),
		grpc.MaxSendMsgSize(2*maxMessage), // a resolved event carries its link too
		// The client pings every ten seconds, with and without calls; the default policy hangs up on that.
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: 10 * time.Second, Timeout: 10 * time.Second}),
	)
}

func (s *Server) serve() {
	go func() { s.finished <- s.grpc.Serve(s.mux.grpc) }()
	go func() { s.finished <- s.http.Serve(s.mux.http) }()
	s.mux.start()
}

// Addr is the address the server listens on, with the real port.
func (s *Server) Addr() string { return s.mux.listener.Addr().String() }

// URL is a connection string for clients.
func (s *Server) URL() string { return "kurrentdb://" + s.Addr() + "?tls=false" }

// Stop ends all calls, subscriptions too, and closes the data. It takes less than a second, or what ctx leaves of it.
func (s *Server) Stop(ctx context.Context) error {
	s.stop()
	err := s.mux.close()
	s.groups.Stop()
	s.stopGRPC(ctx)
	err = errors.Join(err, s.http.Close())
	for range cap(s.finished) {
		if served := <-s.finished; served != nil && !errors.Is(served, http.ErrServerClosed) && !errors.Is(served, net.ErrClosed) {
			err = errors.Join(err, served)
		}
	}
	return errors.Join(err, s.store.Close())
}

// stopGRPC waits a little for calls to end: subscriptions end by themselves, an append gets its answer.
func (s *Server) stopGRPC(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, stopGrace)
	defer cancel()
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		s.grpc.GracefulStop()
	}()
	select {
	case <-graceful:
	case <-ctx.Done():
		s.grpc.Stop()
		<-graceful
	}
}
