package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/serverfeatures"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
)

// bareServer speaks the protocol without any logic. It shows the limit of the official
// client and gRPC on this machine. The benchmarks compare the simulator with it.
type bareServer struct {
	serverfeatures.UnimplementedServerFeaturesServer
	streams.UnimplementedStreamsServer
}

type barePersistent struct {
	persistent.UnimplementedPersistentSubscriptionsServer
}

func serveBare(address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer(grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{
		MinTime: 5 * time.Second, PermitWithoutStream: true,
	}))
	serverfeatures.RegisterServerFeaturesServer(server, bareServer{})
	streams.RegisterStreamsServer(server, bareServer{})
	persistent.RegisterPersistentSubscriptionsServer(server, barePersistent{})
	fmt.Fprintln(os.Stderr, "serving")
	return server.Serve(listener)
}

func (bareServer) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	return &serverfeatures.SupportedMethods{EventStoreServerVersion: "24.10.0"}, nil
}

func (bareServer) Append(stream streams.Streams_AppendServer) error {
	for {
		if _, err := stream.Recv(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
	}
	return stream.SendAndClose(&streams.AppendResp{Result: &streams.AppendResp_Success_{Success: &streams.AppendResp_Success{
		CurrentRevisionOption: &streams.AppendResp_Success_CurrentRevision{CurrentRevision: 1},
		PositionOption: &streams.AppendResp_Success_Position{
			Position: &streams.AppendResp_Position{CommitPosition: 1, PreparePosition: 1},
		},
	}}})
}

// Read is a subscription to a stream of links that never ends.
func (bareServer) Read(_ *streams.ReadReq, stream streams.Streams_ReadServer) error {
	err := stream.Send(&streams.ReadResp{Content: &streams.ReadResp_Confirmation{
		Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: "bare"},
	}})
	event := &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: bareID(uuid.New()), StreamIdentifier: bareStream("order-1"), Metadata: bareMetadata("placed"), Data: body(smallBody),
		},
		Link: &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: bareID(uuid.New()), StreamIdentifier: bareStream("$ce-order"), Metadata: bareMetadata("$>"),
			Data: []byte("123456@order-1"), CustomMetadata: body(linkMetadata),
		},
	}}}
	for err == nil {
		err = stream.Send(event)
	}
	return err
}

// Read sends the consumer as many messages as it takes, and one more for each that it
// acknowledges.
func (barePersistent) Read(stream persistent.PersistentSubscriptions_ReadServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	err = stream.Send(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{
		SubscriptionConfirmation: &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "bare"},
	}})
	for free := int(first.GetOptions().GetBufferSize()); err == nil; free-- {
		if free == 0 {
			request, failed := stream.Recv()
			if failed != nil {
				return failed
			}
			free += len(request.GetAck().GetIds())
		}
		err = stream.Send(bareMessage())
	}
	return err
}

func bareMessage() *persistent.ReadResp {
	return &persistent.ReadResp{Content: &persistent.ReadResp_Event{Event: &persistent.ReadResp_ReadEvent{
		Event: &persistent.ReadResp_ReadEvent_RecordedEvent{
			Id: bareID(uuid.New()), StreamIdentifier: bareStream("order-1"), Metadata: bareMetadata("placed"), Data: body(smallBody),
		},
		Link: &persistent.ReadResp_ReadEvent_RecordedEvent{
			Id: bareID(uuid.New()), StreamIdentifier: bareStream("$ce-order"), Metadata: bareMetadata("$>"),
			Data: []byte("123456@order-1"), CustomMetadata: body(linkMetadata),
		},
		Count: &persistent.ReadResp_ReadEvent_RetryCount{},
	}}}
}

func bareID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

func bareStream(name string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(name)}
}

func bareMetadata(eventType string) map[string]string {
	return map[string]string{"type": eventType, "content-type": "application/json", "created": "17000000000000000"}
}
