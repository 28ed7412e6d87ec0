package rpc

import (
	"context"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
)

// ServerOptions returns the options a gRPC server needs to end calls the way a real node
// does.
func ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{
		// AnsweredStream rejects messages above MaxMessage with the server's error text.
		grpc.MaxRecvMsgSize(2 * MaxMessage),
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

// answeredStream tracks whether anything was sent, and rejects messages that are too
// large with a real node's error.
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

// refuseEmpty marks an error that comes before any response: a real node sends it as one
// frame, and declares it empty.
func refuseEmpty(ctx context.Context, err error) {
	if status.Convert(err).Message() == brokenHeader {
		return
	}
	// Fails only outside a call, where there is no client to send it to.
	_ = grpc.SetTrailer(ctx, metadata.Pairs("content-length", "0"))
}
