package kurrentsimtest

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

	"orderflow/internal/kurrent"
)

// Gateway forwards reads, appends and replays to a server, and can inject network faults
// into single calls.
type Gateway struct {
	URL    string // its connection string
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

// StartGateway starts a gateway to the server at addr.
func StartGateway(t *testing.T, addr string) *Gateway {
	t.Helper()
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	g := &Gateway{
		server: streams.NewStreamsClient(conn), groups: persistent.NewPersistentSubscriptionsClient(conn),
		before: func() {}, reading: func() {}, after: func(context.Context) error { return nil },
	}
	g.OnReplay(g.ForwardReplay)
	g.URL = StartStub(t, func(method string, stream grpc.ServerStream) error {
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

func (g *Gateway) handleReplay(stream grpc.ServerStream) error {
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

// ForwardReplay forwards a request to replay.
func (g *Gateway) ForwardReplay(ctx context.Context, request *persistent.ReplayParkedReq) error {
	_, err := g.groups.ReplayParked(ctx, request)
	return err
}

// OnReplay sets the handler of requests to replay.
func (g *Gateway) OnReplay(replay func(context.Context, *persistent.ReplayParkedReq) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.replay = replay
}

// AgeEvents makes events that are read appear older.
func (g *Gateway) AgeEvents(by time.Duration) {
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
type connections struct{ *Gateway }

type connectionNumber struct{}

// TagConn implements stats.Handler.
func (c connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.conns++
	return context.WithValue(ctx, connectionNumber{}, c.conns)
}

// HandleConn implements stats.Handler.
func (connections) HandleConn(context.Context, stats.ConnStats) {}

// TagRPC implements stats.Handler.
func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }

// HandleRPC implements stats.Handler.
func (connections) HandleRPC(context.Context, stats.RPCStats) {}

func (g *Gateway) append(stream grpc.ServerStream) error {
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

func (g *Gateway) read(stream grpc.ServerStream) error {
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

func (g *Gateway) beginRead(ctx context.Context) (stale bool) {
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

// MakeStale makes the existing connections lead to a node that no longer leads and does
// not know it. Later connections lead to the one that does.
func (g *Gateway) MakeStale() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.staleConns, g.leaderReads = g.conns, 0
}

// ReadsBegun returns how many reads have begun.
func (g *Gateway) ReadsBegun() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reads
}

// ReadsOnLeader returns how many reads since MakeStale went to the leading node.
func (g *Gateway) ReadsOnLeader() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leaderReads
}

// ReadsOnAnyNode returns the number of reads that did not require the leading node.
func (g *Gateway) ReadsOnAnyNode() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.anyNodeReads
}

// BeforeAppends sets a function that is called before each append. It may block.
func (g *Gateway) BeforeAppends(before func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before = before
}

// AfterAppends sets a function that is called after each append. If it returns an error,
// the response is dropped.
func (g *Gateway) AfterAppends(after func(context.Context) error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.after = after
}

// RefuseAppends refuses every append, without executing it, or stops refusing.
func (g *Gateway) RefuseAppends(refuse bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refuse = refuse
}

// EventsRead returns how many events have been read.
func (g *Gateway) EventsRead() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.visited
}

// RefuseNext refuses the next appends, without executing them.
func (g *Gateway) RefuseNext(count int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.refusals = count
}

// OnRead sets a function that is called for each event that is read.
func (g *Gateway) OnRead(reading func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reading = reading
}

// RequireConfirmed requires that read, which finds an event with one round trip, reads
// again on the leading node before it misses one. A node that led a moment ago returns
// old data on its existing connections.
func RequireConfirmed(t *testing.T, server *Server, read func(*kurrent.Client) error) {
	t.Helper()
	g := StartGateway(t, server.Addr())
	client := OpenClient(t, g.URL)
	var warm sync.WaitGroup // several connections, all of which turn stale
	for range 4 {
		warm.Go(func() { _ = client.Ping(t.Context()) })
	}
	warm.Wait()
	before := g.ReadsBegun()
	require.NoError(t, read(client))
	require.Equal(t, 1, g.ReadsBegun()-before, "an existing event takes one round trip")

	g.MakeStale()
	require.NoError(t, read(client))
	require.Equal(t, 3, g.ReadsBegun()-before)
	require.Equal(t, 1, g.ReadsOnLeader(), "the second read goes to the leading node")
	require.Zero(t, g.ReadsOnAnyNode())
}
