package kurrent_test

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// gateway passes reads and appends on to a server, and can do to one call what a network does to all.
type gateway struct {
	url    string
	server streams.StreamsClient

	mu      sync.Mutex
	before  func()                      // of each append: holds it back
	after   func(context.Context) error // of each append that was made: loses its answer
	refuse  bool
	refused int    // so many appends more
	reading func() // of each event that was read
	visited int
	reads   int
	leading int  // reads meant for the leading node alone
	deposed bool // reads find nothing unless they are meant for the leading node
}

func startGateway(t *testing.T, addr string) *gateway {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	g := &gateway{server: streams.NewStreamsClient(conn), before: func() {}, reading: func() {}, after: func(context.Context) error { return nil }}
	g.url = startStub(t, func(method string, stream grpc.ServerStream) error {
		if method == streams.Streams_Append_FullMethodName {
			return g.append(stream)
		}
		return g.read(stream)
	})
	return g
}

func (g *gateway) append(stream grpc.ServerStream) error {
	g.mu.Lock()
	before, after, refuse := g.before, g.after, g.refuse || g.refused > 0
	g.refused = max(0, g.refused-1)
	g.mu.Unlock()
	if refuse {
		return status.Error(codes.Unavailable, "refused")
	}
	call, err := g.server.Append(context.WithoutCancel(stream.Context())) // what has arrived is done, whoever gave up on it
	if err != nil {
		return err
	}
	for {
		request := new(streams.AppendReq)
		err := stream.RecvMsg(request)
		if errors.Is(err, io.EOF) {
			break
		}
		if err := errors.Join(err, call.Send(request)); err != nil {
			return err
		}
	}
	before()
	response, err := call.CloseAndRecv()
	if err == nil {
		err = after(stream.Context())
	}
	if err != nil {
		return err
	}
	return stream.SendMsg(response)
}

func (g *gateway) read(stream grpc.ServerStream) error {
	request := new(streams.ReadReq)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	if g.beginRead(stream.Context()) {
		return status.Error(codes.NotFound, "stream not found")
	}
	call, err := g.server.Read(stream.Context(), request)
	if err != nil {
		return err
	}
	for {
		response, err := call.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if response.GetEvent() != nil {
			g.mu.Lock()
			g.visited++
			reading := g.reading
			g.mu.Unlock()
			reading()
		}
		if err := stream.SendMsg(response); err != nil {
			return err
		}
	}
}

func (g *gateway) beginRead(ctx context.Context) (stale bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	leader := len(metadata.ValueFromIncomingContext(ctx, "requires-leader")) > 0
	if leader {
		g.leading++
	}
	return g.deposed && !leader
}

// depose makes it a node that no longer leads, and passes on what is meant for the one that does.
func (g *gateway) depose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deposed = true
}

func (g *gateway) readsBegun() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

func (g *gateway) readsOfTheLeader() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leading
}

func (g *gateway) beforeAppends(before func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = before
}

func (g *gateway) afterAppends(after func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.after = after
}

func (g *gateway) refuseAppends(refuse bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = refuse
}

func (g *gateway) eventsRead() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.visited
}

// refuseNext refuses the next appends, which are not made.
func (g *gateway) refuseNext(count int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refused = count
}

// onRead is told of each event that was read.
func (g *gateway) onRead(reading func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = reading
}
