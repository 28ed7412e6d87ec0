package rpc

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/gossip"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
)

// gossipMethod is open to every caller, because clients call it to find the leader.
const gossipMethod = "/event_store.client.gossip.Gossip/Read"

// gossipServer describes the cluster: one node, the leader.
type gossipServer struct {
	gossip.UnimplementedGossipServer
	instance uuid.UUID
	host     string
	port     uint32
}

// Read returns the node itself, at the address it listens on.
func (g gossipServer) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: []*gossip.MemberInfo{{
		InstanceId:   toUUID(g.instance),
		TimeStamp:    time.Now().UnixNano() / 100,
		State:        gossip.MemberInfo_Leader,
		IsAlive:      true,
		HttpEndPoint: &gossip.EndPoint{Address: g.host, Port: g.port},
	}}}, nil
}
