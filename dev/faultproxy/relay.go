package faultproxy

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// Relay forwards gRPC calls to a server, as a load balancer does, and counts them. A
// method is named by its service without the package, such as Streams/Append. Its own
// methods are safe for concurrent use.
type Relay struct {
	listener net.Listener
	server   *grpc.Server
	upstream *grpc.ClientConn
	served   chan error

	mu        sync.Mutex
	calls     map[string]int
	handlers  map[string]func(pass func() error) error
	intercept Interceptor
	muted     map[string]bool
}

// Interceptor responds to a call, by returning the error to respond with, by sending
// encoded messages as a *[]byte, or by calling pass, which forwards what arrives on a
// stream until the stream's context ends.
type Interceptor func(method string, stream grpc.ServerStream, pass func(grpc.ServerStream) error) error

// StartRelay listens on a free port of the loopback interface and forwards to a server at
// host:port, without TLS.
func StartRelay(target string) (*Relay, error) {
	upstream, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawFrames{})))
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, errors.Join(err, upstream.Close())
	}
	r := &Relay{
		listener: listener, upstream: upstream, served: make(chan error, 1),
		calls: map[string]int{}, handlers: map[string]func(func() error) error{}, muted: map[string]bool{},
	}
	r.server = grpc.NewServer(grpc.ForceServerCodecV2(rawFrames{}), grpc.UnknownServiceHandler(r.serve),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}))
	go func() { r.served <- r.server.Serve(listener) }()
	return r, nil
}

// Addr returns host:port for clients.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Close ends every call.
func (r *Relay) Close() error {
	r.server.Stop()
	return errors.Join(<-r.served, r.upstream.Close())
}

// Count returns how many calls of a method there were so far.
func (r *Relay) Count(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.calls[method]
}

// Handle makes handle respond to the calls of a method, by returning the error to respond
// with or by calling pass, which forwards the call.
func (r *Relay) Handle(method string, handle func(pass func() error) error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handlers[method] = handle
}

// Intercept makes intercept respond to the calls of every method without a handler.
func (r *Relay) Intercept(intercept Interceptor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.intercept = intercept
}

// Mute makes the calls of a method, also those that are open, stay open and discard each
// message of the server after the first, until Unmute.
func (r *Relay) Mute(method string) { r.setMuted(method, true) }

// Unmute forwards the messages of a method again.
func (r *Relay) Unmute(method string) { r.setMuted(method, false) }

func (r *Relay) setMuted(method string, muted bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.muted[method] = muted
}

func (r *Relay) isMuted(method string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.muted[method]
}

func (r *Relay) serve(_ any, down grpc.ServerStream) error {
	full, _ := grpc.MethodFromServerStream(down)
	method := strings.TrimPrefix(full[strings.LastIndex(full, ".")+1:], "/")
	pass := func(down grpc.ServerStream) error { return r.pass(full, method, down) }
	r.mu.Lock()
	r.calls[method]++
	handle, intercept := r.handlers[method], r.intercept
	r.mu.Unlock()
	switch {
	case handle != nil:
		return handle(func() error { return pass(down) })
	case intercept != nil:
		return intercept(method, down, pass)
	default:
		return pass(down)
	}
}

// pass forwards a call until either side ends it.
func (r *Relay) pass(full, method string, down grpc.ServerStream) error {
	ctx, cancel := context.WithCancel(down.Context())
	defer cancel()
	if headers, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, headers)
	}
	up, err := r.upstream.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, full)
	if err != nil {
		return err
	}
	go func() {
		var frame []byte
		for down.RecvMsg(&frame) == nil && up.SendMsg(&frame) == nil {
			continue
		}
		_ = up.CloseSend()
	}()
	for first := true; ; first = false {
		var frame []byte
		if err := up.RecvMsg(&frame); err != nil {
			down.SetTrailer(up.Trailer())
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !first && r.isMuted(method) {
			continue
		}
		if err := down.SendMsg(&frame); err != nil {
			return err
		}
	}
}

// rawFrames leaves messages encoded.
type rawFrames struct{}

// Marshal returns the encoded message.
func (rawFrames) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

// Unmarshal keeps a copy of the encoded message.
func (rawFrames) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

// Name returns the content subtype, which the clients expect.
func (rawFrames) Name() string { return "proto" }
