package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// ServerOptions are what a gRPC server needs to end calls the way a real node does.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(2 * MaxMessage), // answeredStream refuses what is above one, in the server's words
		grpc.ChainUnaryInterceptor(func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
			response, err := next(ctx, request)
			if err != nil {
				refuseEmpty(ctx, err)
			}
			return response, err
		}),
		grpc.ChainStreamInterceptor(func(server any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
			answered := &answeredStream{ServerStream: stream}
			err := next(server, answered)
			if err != nil && !answered.answered {
				refuseEmpty(stream.Context(), err)
			}
			return err
		}),
	}
}

// answeredStream knows whether anything was sent, and names what is too large as a real node does.
type answeredStream struct {
	grpc.ServerStream
	answered bool
}

func (s *answeredStream) SendMsg(message any) error {
	s.answered = true
	return s.ServerStream.SendMsg(message)
}

func (s *answeredStream) RecvMsg(message any) error {
	if err := s.ServerStream.RecvMsg(message); err != nil {
		return err
	}
	if m, ok := message.(proto.Message); ok && proto.Size(m) > MaxMessage {
		return status.Error(codes.ResourceExhausted, "Received message exceeds the maximum configured message size.")
	}
	return nil
}

// refuseEmpty marks a refusal that comes before any answer: a real node sends it as one frame, and says that it is empty.
func refuseEmpty(ctx context.Context, err error) {
	if status.Convert(err).Message() == brokenHeader {
		return
	}
	_ = grpc.SetTrailer(ctx, metadata.Pairs("content-length", "0")) // outside a call there is nobody to send it to
}
