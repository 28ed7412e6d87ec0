package rpc

import (
	"context"
	"errors"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/projections"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/store"
)

// projectionsServer serves the system projections; other projections cannot be created.
type projectionsServer struct {
	projections.UnimplementedProjectionsServer
	service *Service
}

// Statistics describes the requested projections: one by its name, or all continuous
// ones.
func (s *projectionsServer) Statistics(
	request *projections.StatisticsReq, stream grpc.ServerStreamingServer[projections.StatisticsResp],
) error {
	options := request.GetOptions()
	if options.GetTransient() != nil || options.GetOneTime() != nil {
		return nil
	}
	found := false
	for _, p := range s.service.Store.Projections() {
		if options.GetName() != "" && options.GetName() != p.Name {
			continue
		}
		found = true
		if err := stream.Send(&projections.StatisticsResp{Details: &projections.StatisticsResp_Details{
			Name: p.Name, EffectiveName: p.Name, Status: string(p.Status), StateReason: p.Reason, Mode: "Continuous", Progress: 100,
		}}); err != nil {
			return err
		}
	}
	if !found {
		return s.fail(stream.Context(), options.GetName(), store.ErrNoProjection)
	}
	return nil
}

// Enable makes a projection continue.
func (s *projectionsServer) Enable(ctx context.Context, request *projections.EnableReq) (*projections.EnableResp, error) {
	name := request.GetOptions().GetName()
	if err := s.service.Store.EnableProjection(name); err != nil {
		return nil, s.fail(ctx, name, err)
	}
	return &projections.EnableResp{}, nil
}

// Disable stops a projection.
func (s *projectionsServer) Disable(ctx context.Context, request *projections.DisableReq) (*projections.DisableResp, error) {
	name := request.GetOptions().GetName()
	if err := s.service.Store.DisableProjection(name); err != nil {
		return nil, s.fail(ctx, name, err)
	}
	return &projections.DisableResp{}, nil
}

func (s *projectionsServer) fail(ctx context.Context, name string, err error) error {
	if errors.Is(err, store.ErrNoProjection) {
		return status.Error(codes.NotFound, "Projection '"+name+"' not found")
	}
	return s.service.fail(ctx, err)
}
