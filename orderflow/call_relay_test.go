package main

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// callRelay forwards every gRPC call to a server, except the calls of one method, which
// the test handles.
type callRelay struct {
	server *grpc.ClientConn
	method string
	reply  func(pass func() error) error
}

// rawFrames leaves messages encoded.
type rawFrames struct{}

func (rawFrames) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil
}

func (rawFrames) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize()
	return nil
}

func (rawFrames) Name() string { return "proto" }

// startCallRelay returns the address of a relay to target. It calls reply for each call
// of method, a name without its service; pass forwards the call.
func startCallRelay(t *testing.T, target, method string, reply func(pass func() error) error) (addr string) {
	t.Helper()
	server, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodecV2(rawFrames{})))
	require.NoError(t, err)
	relay := &callRelay{server: server, method: method, reply: reply}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	running := grpc.NewServer(grpc.ForceServerCodecV2(rawFrames{}), grpc.UnknownServiceHandler(relay.handle))
	served := make(chan error, 1)
	go func() { served <- running.Serve(listener) }()
	t.Cleanup(func() {
		running.Stop()
		require.NoError(t, <-served)
		_ = server.Close()
	})
	return listener.Addr().String()
}

func (r *callRelay) handle(_ any, down grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(down)
	pass := func() error { return r.pass(method, down) }
	if strings.HasSuffix(method, "/"+r.method) {
		return r.reply(pass)
	}
	return pass()
}

func (r *callRelay) pass(method string, down grpc.ServerStream) error {
	ctx, cancel := context.WithCancel(down.Context())
	defer cancel()
	if headers, ok := metadata.FromIncomingContext(ctx); ok {
		ctx = metadata.NewOutgoingContext(ctx, headers)
	}
	up, err := r.server.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}, method)
	if err != nil {
		return err
	}
	go func() {
		for copyFrame(down.RecvMsg, up.SendMsg) == nil {
		}
		_ = up.CloseSend()
	}()
	for err == nil {
		err = copyFrame(up.RecvMsg, down.SendMsg)
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func copyFrame(from, to func(any) error) error {
	var frame []byte
	if err := from(&frame); err != nil {
		return err
	}
	return to(&frame)
}
