package rpc

import (
	"errors"
	"math"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"
	"google.golang.org/protobuf/types/known/emptypb"

	"orderflow/dev/kurrentsim/store"
)

// writeTimeout is the longest that an append may take to arrive completely, whatever its
// client allows: a real node's default.
const writeTimeout = 2 * time.Second

// Errors of an append in a batch that do not come from the store.
var (
	errAppendDenied  = errors.New("access denied")
	errAppendTimeout = errors.New("the append has timed out")
)

// badRequestError reports why a message of a batch append is invalid.
type badRequestError string

func (e badRequestError) Error() string { return string(e) }

// appendTimeout returns how long an append may take: writeTimeout, or what its client
// allows if that is less.
func appendTimeout(o *streams.BatchAppendReq_Options, now time.Time) time.Duration {
	switch d := o.GetDeadlineOption().(type) {
	case *streams.BatchAppendReq_Options_Deadline:
		return min(d.Deadline.AsDuration(), writeTimeout)
	case *streams.BatchAppendReq_Options_Deadline_21_10_0:
		return min(d.Deadline_21_10_0.AsTime().Sub(now), writeTimeout)
	}
	return writeTimeout
}

func batchExpected(o *streams.BatchAppendReq_Options) (store.Expected, error) {
	switch e := o.GetExpectedStreamPosition().(type) {
	case *streams.BatchAppendReq_Options_Any:
		return store.Any, nil
	case *streams.BatchAppendReq_Options_NoStream:
		return store.NoStream, nil
	case *streams.BatchAppendReq_Options_StreamExists:
		return store.StreamExists, nil
	case *streams.BatchAppendReq_Options_StreamPosition:
		if e.StreamPosition <= math.MaxInt64 {
			return store.Expected(e.StreamPosition), nil
		}
		return 0, badRequestError("stream position is out of range")
	}
	return 0, badRequestError("expected stream position is not set")
}

// batchResponse returns the response to an append, without its id and stream.
func (s *Service) batchResponse(w store.Written, err error) *streams.BatchAppendResp {
	if err != nil {
		return s.batchRefusal(err)
	}
	success := &streams.BatchAppendResp_Success{
		PositionOption: &streams.BatchAppendResp_Success_Position{
			Position: &shared.AllStreamPosition{CommitPosition: w.Position, PreparePosition: w.Position},
		},
		CurrentRevisionOption: &streams.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}},
	}
	if w.Revision >= 0 {
		success.CurrentRevisionOption = &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: uint64(w.Revision)}
	}
	return &streams.BatchAppendResp{Result: &streams.BatchAppendResp_Success_{Success: success}}
}

// batchRefusal encodes an error by the type of its details: clients read nothing else.
func (s *Service) batchRefusal(err error) *streams.BatchAppendResp {
	var (
		wrong   *store.WrongRevisionError
		deleted *store.DeletedError
	)
	switch {
	case errors.As(err, &wrong):
		return refusedAppend(codes.AlreadyExists, "WrongExpectedVersion", wrongVersionDetails(wrong))
	case errors.As(err, &deleted):
		return refusedAppend(codes.NotFound, "StreamDeleted", &shared.StreamDeleted{StreamIdentifier: streamID(deleted.Stream)})
	case errors.Is(err, errAppendDenied):
		return refusedAppend(codes.PermissionDenied, "AccessDenied", &shared.AccessDenied{})
	case errors.Is(err, errAppendTimeout):
		return refusedAppend(codes.DeadlineExceeded, "Timeout", &shared.Timeout{})
	case errors.Is(err, errTooBusy):
		return refusedAppend(codes.Unavailable, "Server Is Busy", &emptypb.Empty{})
	case errors.Is(err, store.ErrAppendTooLarge):
		most := uint32(s.Release.maxAppend)
		return refusedAppend(codes.InvalidArgument, "MaximumAppendSizeExceeded", &shared.MaximumAppendSizeExceeded{MaxAppendSize: most})
	case isMalformed(err):
		return refusedAppend(codes.InvalidArgument, "BadRequest", &shared.BadRequest{Message: err.Error()})
	}
	s.Logger.Error("append failed", "error", err)
	return refusedAppend(codes.Unknown, "Unknown", &shared.Unknown{})
}

// isMalformed reports whether the request is invalid.
func isMalformed(err error) bool {
	return errors.As(err, new(badRequestError)) || errors.As(err, new(missingMetadataError)) ||
		errors.As(err, new(*store.EventTooLargeError)) || errors.Is(err, errThrown) ||
		errors.Is(err, store.ErrInvalidEvent) || errors.Is(err, store.ErrInvalidStream)
}

func refusedAppend(code codes.Code, text string, details protoadapt.MessageV1) *streams.BatchAppendResp {
	s, err := status.New(code, text).WithDetails(details)
	if err != nil { // details that cannot be encoded
		s = status.New(codes.Internal, err.Error())
	}
	return &streams.BatchAppendResp{Result: &streams.BatchAppendResp_Error{Error: s.Proto()}}
}

func wrongVersionDetails(e *store.WrongRevisionError) *shared.WrongExpectedVersion {
	w := &shared.WrongExpectedVersion{
		CurrentStreamRevisionOption: &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}},
	}
	if e.Current >= 0 {
		w.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: uint64(e.Current)}
	}
	switch e.Expected {
	case store.Any:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedAny{ExpectedAny: &emptypb.Empty{}}
	case store.StreamExists:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &emptypb.Empty{}}
	case store.NoStream:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &emptypb.Empty{}}
	default:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: uint64(e.Expected)}
	}
	return w
}
