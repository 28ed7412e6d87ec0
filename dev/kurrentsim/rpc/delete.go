package rpc

import (
	"context"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"

	"orderflow/dev/kurrentsim/store"
)

// Delete hides a stream's events.
func (s *streamsServer) Delete(ctx context.Context, request *streams.DeleteReq) (*streams.DeleteResp, error) {
	position, err := s.remove(request.GetOptions(), s.service.Store.Delete)
	if err != nil {
		return nil, s.service.fail(ctx, err)
	}
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: position, PreparePosition: position},
	}}, nil
}

// Tombstone deletes a stream permanently.
func (s *streamsServer) Tombstone(ctx context.Context, request *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	position, err := s.remove(request.GetOptions(), s.service.Store.Tombstone)
	if err != nil {
		return nil, s.service.fail(ctx, err)
	}
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: position, PreparePosition: position},
	}}, nil
}

func (s *streamsServer) remove(options expectation, remove func(string, store.Expected) (uint64, error)) (uint64, error) {
	expected, err := expectedOf(options)
	if err != nil {
		return 0, err
	}
	return remove(nameOf(options.GetStreamIdentifier()), expected)
}
