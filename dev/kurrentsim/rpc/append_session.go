package rpc

import (
	"encoding/json"
	"errors"
	"io"
	"slices"

	"github.com/google/uuid"
	streamserrors "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v2/streams/errors"
	streamsv2 "github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v2/streams/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/protoadapt"

	"orderflow/dev/kurrentsim/store"
)

// streamsV2Server serves appends to several streams, which releases from 25.1 on have.
// Its behavior was taken from the sources, not measured.
type streamsV2Server struct {
	streamsv2.UnimplementedStreamsServiceServer
	service *Service
}

// AppendSession appends what the client sends, one message per stream, atomically once
// the client has sent all.
func (s *streamsV2Server) AppendSession(
	stream grpc.ClientStreamingServer[streamsv2.AppendRequest, streamsv2.AppendSessionResponse],
) error {
	in := s.service.intake()
	defer in.releaseBudget()
	var (
		appends []store.StreamAppend
		refused error // after the first error the rest is only drained
	)
	for {
		request, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if refused == nil {
			appends, refused = take(&in, appends, request)
		}
	}
	if refused == nil && len(appends) == 0 {
		refused = status.Error(codes.FailedPrecondition, "Append session started, but no append requests were sent")
	}
	if refused != nil {
		return refused
	}
	written, err := s.service.Store.AppendAll(appends)
	if err != nil {
		return s.fail(stream, err)
	}
	response := &streamsv2.AppendSessionResponse{}
	for i, w := range written {
		position := int64(w.Position)
		response.Output = append(response.Output, &streamsv2.AppendResponse{
			Stream: appends[i].Stream, StreamRevision: w.Revision, Position: &position,
		})
		response.Position = max(response.Position, position)
	}
	return stream.SendAndClose(response)
}

func (s *streamsV2Server) fail(stream grpc.ServerStream, err error) error {
	var (
		deleted *store.DeletedError
		wrong   *store.WrongRevisionError
	)
	switch {
	case errors.As(err, &deleted):
		return detailed(codes.FailedPrecondition, err, &streamserrors.StreamTombstonedErrorDetails{Stream: deleted.Stream})
	case errors.As(err, &wrong):
		return detailed(codes.FailedPrecondition, err, &streamserrors.StreamRevisionConflictErrorDetails{
			Stream: wrong.Stream, ExpectedRevision: int64(wrong.Expected), ActualRevision: wrong.Current,
		})
	}
	return s.service.fail(stream.Context(), err)
}

// take adds a message's events to the append of its stream.
func take(in *appendIntake, appends []store.StreamAppend, request *streamsv2.AppendRequest) ([]store.StreamAppend, error) {
	name := request.GetStream()
	if slices.ContainsFunc(appends, func(a store.StreamAppend) bool { return a.Stream == name }) {
		return nil, detailed(codes.Aborted, errors.New("stream '"+name+"' is already part of this append session"),
			&streamserrors.StreamAlreadyInAppendSessionErrorDetails{Stream: name})
	}
	a := store.StreamAppend{Stream: name, Expected: store.Any}
	if request.ExpectedRevision != nil {
		a.Expected = store.Expected(request.GetExpectedRevision())
	}
	if !a.Expected.Known() {
		return nil, invalid("expected_revision is neither a revision nor -1, -2 or -4")
	}
	for _, record := range request.GetRecords() {
		event, err := newRecord(record)
		if err != nil {
			return nil, err
		}
		switch err := in.reserve(&event); {
		case errors.Is(err, store.ErrAppendTooLarge):
			return nil, detailed(codes.Aborted, err, &streamserrors.AppendTransactionSizeExceededErrorDetails{
				Size: int32(in.size), MaxSize: int32(in.release.maxAppend),
			})
		case errors.As(err, new(*store.EventTooLargeError)):
			return nil, detailed(codes.InvalidArgument, err, &streamserrors.AppendRecordSizeExceededErrorDetails{
				Stream: name, RecordId: event.ID.String(), Size: int32(event.Size()), MaxSize: int32(in.release.maxEvent),
			})
		case err != nil:
			return nil, err
		}
		a.Events = append(a.Events, event)
	}
	return append(appends, a), nil
}

// newRecord returns an event whose metadata are the record's properties and its schema.
func newRecord(r *streamsv2.AppendRecord) (store.NewEvent, error) {
	id, err := uuid.Parse(r.GetRecordId())
	if err != nil || id == uuid.Nil {
		return store.NewEvent{}, invalid("record_id is not a UUID")
	}
	format := map[streamsv2.SchemaFormat]string{
		streamsv2.SchemaFormat_SCHEMA_FORMAT_JSON: "Json", streamsv2.SchemaFormat_SCHEMA_FORMAT_BYTES: "Bytes",
		streamsv2.SchemaFormat_SCHEMA_FORMAT_PROTOBUF: "Protobuf", streamsv2.SchemaFormat_SCHEMA_FORMAT_AVRO: "Avro",
	}[r.GetSchema().GetFormat()]
	if format == "" || r.GetSchema().GetName() == "" {
		return store.NewEvent{}, invalid("schema has no name or no format")
	}
	metadata := map[string]any{"$schema.name": r.GetSchema().GetName(), "$schema.format": format}
	for key, value := range r.GetProperties() {
		metadata[key] = value.AsInterface()
	}
	encoded, err := json.Marshal(metadata)
	if err != nil { // NaN and the infinities
		return store.NewEvent{}, invalid("properties are not JSON")
	}
	return store.NewEvent{ID: id, Type: r.GetSchema().GetName(), JSON: format == "Json", Data: r.GetData(), Metadata: encoded}, nil
}

// detailed returns a status with the detail message that clients identify it by.
func detailed(code codes.Code, err error, detail protoadapt.MessageV1) error {
	s, failed := status.New(code, err.Error()).WithDetails(detail)
	if failed != nil {
		return failed
	}
	return s.Err()
}
