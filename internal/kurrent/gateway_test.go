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

// gateway forwards reads, appends and replays to a server, and can inject network faults
// into single calls.
type gateway struct {
	url    string
	server streams.StreamsClient
	groups persistent.PersistentSubscriptionsClient

	mu           sync.Mutex
	before       func()                      // called before each append; it may block
	after        func(context.Context) error // called after each append; an error drops its response
	refuse       bool
	refusals     int    // how many appends are still to be refused
	reading      func() // called for each event that was read
	visited      int
	reads        int
	age          time.Duration // added to the age of events that are read
	replay       func(context.Context, *persistent.ReplayParkedReq) error
	anyNodeReads int // reads that do not require the leading node
	conns        int // connections made so far
	staleConns   int // the first so many connections are to a node that no longer leads: reads on them find nothing
	leaderReads  int // reads on later connections
}

func startGateway(t *testing.T, addr string) *gateway {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	g := &gateway{server: streams.NewStreamsClient(conn), groups: persistent.NewPersistentSubscriptionsClient(conn), before: func() {}, reading: func() {}, after: func(context.Context) error { return nil }}
	g.onReplay(g.forwardReplay)
	g.url = startStub(t, func(method string, stream grpc.ServerStream) error {
		switch method {
		case streams.Streams_Append_FullMethodName:
			return g.append(stream)
		case persistent.PersistentSubscriptions_ReplayParked_FullMethodName:
			return g.handleReplay(stream)
		}
		return g.read(stream)
	}, grpc.StatsHandler(connections{g}))
	return g
}

func (g *gateway) handleReplay(stream grpc.ServerStream) error {
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

func (g *gateway) forwardReplay(ctx context.Context, request *persistent.ReplayParkedReq) error {
	_, err := g.groups.ReplayParked(ctx, request)
	return err
}

// onReplay sets the handler of requests to replay.
func (g *gateway) onReplay(replay func(context.Context, *persistent.ReplayParkedReq) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replay = replay
}

// ageEvents makes events that are read appear older.
func (g *gateway) ageEvents(by time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.age = by
}

// makeOlder changes the time at which the server says it wrote an event.
func makeOlder(e *streams.ReadResp_ReadEvent_RecordedEvent, by time.Duration) {
	if ticks, err := strconv.ParseInt(e.GetMetadata()["created"], 10, 64); err == nil {
		e.Metadata["created"] = strconv.FormatInt(ticks-int64(by/100), 10)
	}
}

// connections numbers a gateway's connections, so that calls on them can be told apart.
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
	before, after, refuse := g.before, g.after, g.refuse || g.refusals > 0
	g.refusals = max(0, g.refusals-1)
	g.mu.Unlock()
	if refuse {
		return status.Error(codes.Unavailable, "refused")
	}
	call, err := g.server.Append(context.WithoutCancel(stream.Context())) // a request that has arrived is executed even if its caller has given up
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
		g.anyNodeReads++
	}
	if number, _ := ctx.Value(connectionNumber{}).(int); number <= g.staleConns {
		return true
	}
	g.leaderReads++
	return false
}

// makeStale makes the existing connections lead to a node that no longer leads and does
// not know it. Later connections lead to the one that does.
func (g *gateway) makeStale() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.staleConns, g.leaderReads = g.conns, 0
}

func (g *gateway) readsBegun() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

func (g *gateway) readsOnLeader() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leaderReads
}

// readsOnAnyNode returns the number of reads that did not require the leading node.
func (g *gateway) readsOnAnyNode() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.anyNodeReads
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

// refuseNext refuses the next appends, without executing them.
func (g *gateway) refuseNext(count int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusals = count
}

// onRead sets a function that is called for each event that is read.
func (g *gateway) onRead(reading func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = reading
}
