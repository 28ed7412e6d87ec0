package main

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

const (
	subscribing = "PersistentSubscriptions/Read"
	asking      = "PersistentSubscriptions/GetInfo"
)

// relay forwards gRPC calls to a server as a load balancer does, counts them, and injects
// a balancer's faults.
type relay struct {
	url  string
	conn *grpc.ClientConn

	mu     sync.Mutex
	calls  map[string]int
	mute   bool // subscriptions stay open and deliver nothing
	denied string
}

func startRelay(t *testing.T, target string) *relay {
	t.Helper()
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	r := &relay{url: "kurrentdb://" + listener.Addr().String() + "?tls=false", conn: conn, calls: map[string]int{}}
	server := grpc.NewServer(grpc.ForceServerCodec(rawCodec{}), grpc.UnknownServiceHandler(r.pass),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 5 * time.Second, PermitWithoutStream: true}))
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		server.Stop()
		require.NoError(t, <-served)
		require.NoError(t, conn.Close())
	})
	return r
}

func (r *relay) set(change func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change()
}

// count returns how many calls there were of a method, by the end of its name.
func (r *relay) count(method string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for name, calls := range r.calls {
		if strings.HasSuffix(name, method) {
			n += calls
		}
	}
	return n
}

func (r *relay) begin(method string) (denied bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls[method]++
	return r.denied != "" && strings.HasSuffix(method, r.denied)
}

func (r *relay) swallows(method string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mute && strings.HasSuffix(method, subscribing)
}

func (r *relay) pass(_ any, down grpc.ServerStream) error {
	method, _ := grpc.MethodFromServerStream(down)
	if r.begin(method) {
		return status.Error(codes.PermissionDenied, "denied")
	}
	incoming, _ := metadata.FromIncomingContext(down.Context())
	ctx := metadata.NewOutgoingContext(down.Context(), incoming)
	up, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodec(rawCodec{}))
	if err != nil {
		return err
	}
	go func() {
		for {
			var message []byte
			if err := down.RecvMsg(&message); err != nil || up.SendMsg(&message) != nil {
				_ = up.CloseSend()
				return
			}
		}
	}()
	for first := true; ; first = false {
		var message []byte
		if err := up.RecvMsg(&message); err != nil {
			down.SetTrailer(up.Trailer())
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if !first && r.swallows(method) {
			continue
		}
		if err := down.SendMsg(&message); err != nil {
			return err
		}
	}
}

// rawCodec leaves messages encoded.
type rawCodec struct{}

func (rawCodec) Marshal(v any) ([]byte, error) { return *v.(*[]byte), nil }

func (rawCodec) Unmarshal(data []byte, v any) error {
	*v.(*[]byte) = append([]byte(nil), data...)
	return nil
}

func (rawCodec) Name() string { return "proto" }
