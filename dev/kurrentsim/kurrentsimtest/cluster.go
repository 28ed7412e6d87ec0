package kurrentsimtest

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/gossip"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"orderflow/dev/faultproxy"
)

// Cluster is a KurrentDB of several nodes as its clients see it. Each node has an address
// of its own, gossip lists all of them, and only the leading node serves: the others
// refuse, and name the leading one. Behind all of them is one kurrentsim. So nothing is
// replicated, no election takes time, and no election loses a write.
type Cluster struct {
	Store *Server // behind the nodes

	nodes []*clusterNode

	mu     sync.Mutex
	leader int           // index of the leading node; -1 while there is none
	term   chan struct{} // closed when the leader changes
}

// clusterNode is one node: a proxy, which can stop or vanish, in front of a relay, which
// responds as a node of a cluster does.
type clusterNode struct {
	id    *shared.UUID
	proxy *faultproxy.Proxy
	relay *faultproxy.Relay
	alive bool // according to gossip
}

// StartCluster starts a cluster whose first node leads.
func StartCluster(t *testing.T, size int) *Cluster {
	t.Helper()
	c := &Cluster{Store: StartServer(t), term: make(chan struct{})}
	for i := range size {
		relay, err := faultproxy.StartRelay(c.Store.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, relay.Close()) })
		proxy, err := faultproxy.StartAt(ClosedAddress(t), relay.Addr())
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, proxy.Close()) })
		id := &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
		c.nodes = append(c.nodes, &clusterNode{id: id, proxy: proxy, relay: relay, alive: true})
		relay.Intercept(func(method string, stream grpc.ServerStream, pass func(grpc.ServerStream) error) error {
			return c.serve(i, method, stream, pass)
		})
	}
	return c
}

// Hosts returns the addresses of the nodes, joined by commas.
func (c *Cluster) Hosts() string {
	hosts := make([]string, len(c.nodes))
	for i, n := range c.nodes {
		hosts[i] = n.proxy.Addr()
	}
	return strings.Join(hosts, ",")
}

// URL returns the connection string that names all nodes.
func (c *Cluster) URL() string { return URL(c.Hosts()) }

// Addr returns the address of a node.
func (c *Cluster) Addr(node int) string { return c.nodes[node].proxy.Addr() }

// Elect makes a node the leading one, or none if it is -1. Calls that are open on the
// previous leader end.
func (c *Cluster) Elect(node int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.leader = node
	close(c.term)
	c.term = make(chan struct{})
}

// Stop resets the connections of a node and refuses new ones, as when its process dies.
func (c *Cluster) Stop(node int) {
	c.setAlive(node, false)
	c.nodes[node].proxy.Refuse()
}

// Vanish makes a node silent without ending its connections, as when its machine or the
// network fails.
func (c *Cluster) Vanish(node int) {
	c.setAlive(node, false)
	c.nodes[node].proxy.Stall()
}

// Return makes a node respond again after Stop or Vanish.
func (c *Cluster) Return(node int) {
	c.nodes[node].proxy.Resume()
	c.setAlive(node, true)
}

// Connections returns how many connections to a node are open.
func (c *Cluster) Connections(node int) int { return c.nodes[node].proxy.Open() }

// Served returns how many calls of a method, such as Streams/Read, a node was asked for.
func (c *Cluster) Served(node int, method string) int { return c.nodes[node].relay.Count(method) }

func (c *Cluster) setAlive(node int, alive bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.nodes[node].alive = alive
}

// serve responds to one call that a node received.
func (c *Cluster) serve(node int, method string, stream grpc.ServerStream, pass func(grpc.ServerStream) error) error {
	switch method {
	case "Gossip/Read":
		return respond(stream, c.gossip())
	case "ServerFeatures/GetSupportedMethods":
		return pass(stream)
	}
	c.mu.Lock()
	leader, term := c.leader, c.term
	c.mu.Unlock()
	if leader != node {
		return c.refuse(leader, method, stream)
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		select {
		case <-term:
			cancel()
		case <-ctx.Done():
		}
	}()
	err := pass(streamWithContext{stream, ctx})
	if ctx.Err() != nil && stream.Context().Err() == nil {
		return status.Error(codes.Unavailable, "Server Is Not Ready")
	}
	return err
}

// refuse names the leading node, or says that there is none.
func (c *Cluster) refuse(leader int, method string, stream grpc.ServerStream) error {
	var frame []byte
	err := stream.RecvMsg(&frame)
	for err == nil && strings.HasSuffix(method, "/Append") { // the client sees no response before it has sent everything
		err = stream.RecvMsg(&frame)
	}
	if leader < 0 {
		return status.Error(codes.Unavailable, "Server Is Not Ready")
	}
	host, port := c.nodes[leader].hostPort()
	stream.SetTrailer(metadata.Pairs("exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port))
	return status.Error(codes.NotFound, "Leader info available")
}

func (n *clusterNode) hostPort() (host, port string) {
	host, port, _ = net.SplitHostPort(n.proxy.Addr()) // a listener's address is valid
	return host, port
}

func (c *Cluster) gossip() *gossip.ClusterInfo {
	c.mu.Lock()
	defer c.mu.Unlock()
	info := &gossip.ClusterInfo{}
	for i, n := range c.nodes {
		host, port := n.hostPort()
		number, _ := strconv.ParseUint(port, 10, 16)
		state := gossip.MemberInfo_Follower
		if i == c.leader {
			state = gossip.MemberInfo_Leader
		}
		info.Members = append(info.Members, &gossip.MemberInfo{
			InstanceId: n.id, TimeStamp: time.Now().UnixNano() / 100, State: state, IsAlive: n.alive,
			HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)},
		})
	}
	return info
}

// respond sends a message on a relay's stream, which takes encoded ones.
func respond(stream grpc.ServerStream, message proto.Message) error {
	frame, err := proto.Marshal(message)
	if err != nil {
		return err
	}
	return stream.SendMsg(&frame)
}

// streamWithContext is a stream with another context.
type streamWithContext struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the other context.
func (s streamWithContext) Context() context.Context { return s.ctx }
