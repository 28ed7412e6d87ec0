package kurrent_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// startFollower starts a node that refuses everything and names the leading node, as
// nodes of a cluster do.
func startFollower(t *testing.T, leader string) (url string) {
	t.Helper()
	host, port, err := net.SplitHostPort(leader)
	require.NoError(t, err)
	return kurrentsimtest.StartStub(t, func(method string, stream grpc.ServerStream) error {
		if method == streams.Streams_Append_FullMethodName {
			kurrentsimtest.ReceiveAppend(stream)
		} else if err := stream.RecvMsg(&emptypb.Empty{}); err != nil { // any request
			return err
		}
		stream.SetTrailer(metadata.Pairs(
			"exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port,
		))
		return status.Error(codes.NotFound, "Leader info available")
	})
}

func TestFollower(t *testing.T) {
	t.Parallel()
	leader := kurrentsimtest.StartServer(t)
	direct := kurrentsimtest.OpenClient(t, leader.URL())
	placeOrders(t, direct, 0, 1)
	createGroup(t, direct, bridgeGroup)
	everything := kurrent.Follow{Prefixes: []string{"order-"}}
	for name, request := range map[string]func(context.Context, *kurrent.Client) error{
		"append": func(ctx context.Context, c *kurrent.Client) error { return appendOne(ctx, c, "credit-c1") },
		"read": func(ctx context.Context, c *kurrent.Client) error {
			_, err := c.ReadEvent(ctx, "order-0", 0)
			return err
		},
		"group": func(ctx context.Context, c *kurrent.Client) error {
			_, err := c.GroupInfo(ctx, bridgeGroup.Stream, bridgeGroup.Group)
			return err
		},
		"scan": func(ctx context.Context, c *kurrent.Client) error {
			return c.Scan(ctx, kurrent.Scan{Types: []string{"order-placed"}}, func(kurrent.Event) error { return nil })
		},
		"follow": func(ctx context.Context, c *kurrent.Client) error {
			_, err := c.CountEvents(ctx, everything, 1)
			return err
		},
		"join": func(ctx context.Context, c *kurrent.Client) error {
			subscription, err := c.Join(ctx, bridgeGroup.Stream, bridgeGroup.Group, 1)
			if err == nil {
				subscription.Close()
			}
			return err
		},
	} {
		t.Run(name+" reaches the leading node at the first attempt", func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, startFollower(t, leader.Addr()))
			require.NoError(t, request(t.Context(), client))
			require.NoError(t, request(t.Context(), client))
		})
		t.Run(name+" ends with its context while the leading node is silent", func(t *testing.T) {
			t.Parallel()
			p := startProxy(t, leader.Addr())
			p.Stall()
			url := startFollower(t, p.Addr())
			client := kurrentsimtest.OpenClient(t, strings.Replace(url, "gossipTimeout=1", "gossipTimeout=60", 1))
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			kurrentsimtest.RequireWithin(t, kurrentsimtest.Promptly, func() {
				err := request(ctx, client)
				require.ErrorIs(t, err, kurrent.ErrUnavailable)
				require.ErrorIs(t, err, context.DeadlineExceeded)
			})
			// The official client drops a connection to the leading node that fails, and
			// closes one that does not.
			p.Resume()
			require.Eventually(t, func() bool { return p.Open() == 0 }, kurrentsimtest.WaitLimit, time.Millisecond)
		})
	}
}
