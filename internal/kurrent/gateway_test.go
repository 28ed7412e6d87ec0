package kurrent_test

import (
	"context"
	"errors"
	"io"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
)

// gateway passes reads, appends and replays on to a server, and can do to one call what a network does to all.
type gateway struct {
	url    string
	server streams.StreamsClient
	groups persistent.PersistentSubscriptionsClient

	mu      sync.Mutex
	before  func()                      // of each append: holds it back
	after   func(context.Context) error // of each append that was made: loses its answer
	refuse  bool
	refused int    // so many appends more
	reading func() // of each event that was read
	visited int
	reads   int
	age     time.Duration // by which events that are read are older than they are
	replay  func(context.Context, *persistent.ReplayParkedReq) error
	unled   int // reads that any node may answer
	conns   int // connections made so far
	deposed int // so many connections are to a node that led when they were made: reads on them find nothing
	fresh   int // reads on later connections
}

func startGateway(t *testing.T, addr string) *gateway {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	g := &gateway{server: streams.NewStreamsClient(conn), groups: persistent.NewPersistentSubscriptionsClient(conn), before: func() {}, reading: func() {}, after: func(context.Context) error { return nil }}
	g.onReplay(g.passReplay)
	g.url = startStub(t, func(method string, stream grpc.ServerStream) error {
		switch method {
		case streams.Streams_Append_FullMethodName:
			return g.append(stream)
		case persistent.PersistentSubscriptions_ReplayParked_FullMethodName:
			return g.answerReplay(stream)
		}
		return g.read(stream)
	}, grpc.StatsHandler(connections{g}))
	return g
}

func (g *gateway) answerReplay(stream grpc.ServerStream) error {
	request := new(persistent.ReplayParkedReq)
	if err := stream.RecvMsg(request); err != nil {
		return err
	}
	g.mu.Lock()
	replay := g.replay
	g.mu.Unlock()
	if err := replay(stream.Context(), request); err != nil {
		return err
	}
	return stream.SendMsg(new(persistent.ReplayParkedResp))
}

func (g *gateway) passReplay(ctx context.Context, request *persistent.ReplayParkedReq) error {
	_, err := g.groups.ReplayParked(ctx, request)
	return err
}

// onReplay makes replay what becomes of the requests to replay.
func (g *gateway) onReplay(replay func(context.Context, *persistent.ReplayParkedReq) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replay = replay
}

// ageEvents makes events that are read older than they are.
func (g *gateway) ageEvents(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.age = by
}

// makeOlder changes when the server says that it wrote an event.
func makeOlder(e *streams.ReadResp_ReadEvent_RecordedEvent, by time.Duration) {
	if ticks, err := strconv.ParseInt(e.GetMetadata()["created"], 10, 64); err == nil {
		e.Metadata["created"] = strconv.FormatInt(ticks-int64(by/100), 10)
	}
}

// connections numbers a gateway's connections, for the calls on them to know.
type connections struct{ *gateway }

type connectionNumber struct{}

func (c connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns++
	return context.WithValue(ctx, connectionNumber{}, c.conns)
}

func (connections) HandleConn(context.Context, stats.ConnStats) {}

func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

func (connections) HandleRPC(context.Context, stats.RPCStats) {}

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
			makeOlder(response.GetEvent().GetEvent(), g.age)
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
	if !slices.Equal(metadata.ValueFromIncomingContext(ctx, "requires-leader"), []string{"true"}) {
		g.unled++
	}
	if number, _ := ctx.Value(connectionNumber{}).(int); number <= g.deposed {
		return true
	}
	g.fresh++
	return false
}

// depose makes what is connected so far a node that led and does not know that it no longer does. Later connections lead to
// the one that does.
func (g *gateway) depose() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.deposed, g.fresh = g.conns, 0
}

func (g *gateway) readsBegun() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

func (g *gateway) readsOfTheLeader() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.fresh
}

// readsOfAnyNode counts the reads that did not ask for the leading node.
func (g *gateway) readsOfAnyNode() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.unled
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
