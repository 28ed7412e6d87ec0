package rpc

import (
	"context"
	"log/slog"
	"net/netip"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/gossip"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/projections"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/serverfeatures"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	streamsv2 "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v2/streams/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/store"
)

// Service serves every call that clients make.
type Service struct {
	Store  *store.Store
	Groups *groups.Manager
	Logger *slog.Logger
	// Release is the version that the server imitates.
	Release Release
	// WithoutProjections simulates a server that was started without projections: their
	// service is missing.
	WithoutProjections bool
	// MaxBuffered limits the bytes of unfinished appends over all calls; 0 means
	// DefaultMaxBuffered.
	MaxBuffered int64
	// Stopping is done when the server stops. It ends calls that have no end of their
	// own.
	Stopping context.Context

	buffered atomic.Int64 // bytes of unfinished appends
}

// Register adds the services to a gRPC server that listens at address.
func (s *Service) Register(server grpc.ServiceRegistrar, address netip.AddrPort) {
	gossip.RegisterGossipServer(server, gossipServer{
		instance: uuid.New(), host: address.Addr().String(), port: uint32(address.Port()),
	})
	serverfeatures.RegisterServerFeaturesServer(server, features{release: s.Release, projections: !s.WithoutProjections})
	streams.RegisterStreamsServer(server, &streamsServer{service: s})
	persistent.RegisterPersistentSubscriptionsServer(server, &persistentServer{service: s})
	if s.Release.multiAppend {
		streamsv2.RegisterStreamsServiceServer(server, &streamsV2Server{service: s})
	}
	if !s.WithoutProjections {
		projections.RegisterProjectionsServer(server, &projectionsServer{service: s})
	}
}

// untilStopped returns a context that also ends with the server.
func (s *Service) untilStopped(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(s.Stopping, func() { cancel(errStopping) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

// Errors of a node that cannot serve now. The client then looks for another node.
var (
	errStopping = status.Error(codes.Unavailable, "Server Is Shutting Down")
	errTooBusy  = status.Error(codes.Unavailable, "Server Is Too Busy")
)
