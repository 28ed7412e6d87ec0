package rpc

import (
	"cmp"
	"errors"
	"io"
	"math"
	"sync/atomic"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"

	"orderflow/dev/kurrentsim/store"
)

const (
	// eventOverhead is what an event costs in memory beyond its bytes. It limits the
	// number of tiny events in one append.
	eventOverhead = 64
	// DefaultMaxBuffered has room for two of the largest appends, or thousands of typical
	// ones.
	DefaultMaxBuffered = 2 * store.MaxAppendSize
)

type streamsServer struct {
	streams.UnimplementedStreamsServer
	service *Service
}

// expectation is the oneof that Append, Delete and Tombstone each declare as a type of
// their own.
type expectation interface {
	GetStreamIdentifier() *shared.StreamIdentifier
	GetRevision() uint64
	GetNoStream() *shared.Empty
	GetAny() *shared.Empty
	GetStreamExists() *shared.Empty
}

func expectedOf(o expectation) (store.Expected, error) {
	switch o := o.(type) {
	case *streams.AppendReq_Options:
		if o.GetExpectedStreamRevision() == nil {
			return 0, noExpectation("AppendReq")
		}
	case *streams.DeleteReq_Options:
		if o.GetExpectedStreamRevision() == nil {
			return 0, noExpectation("DeleteReq")
		}
	case *streams.TombstoneReq_Options:
		if o.GetExpectedStreamRevision() == nil {
			return 0, noExpectation("TombstoneReq")
		}
	}
	switch {
	case o.GetAny() != nil:
		return store.Any, nil
	case o.GetNoStream() != nil:
		return store.NoStream, nil
	case o.GetStreamExists() != nil:
		return store.StreamExists, nil
	case o.GetRevision() > math.MaxInt64:
		return 0, errThrown
	}
	return store.Expected(o.GetRevision()), nil
}

func noExpectation(request string) error {
	return invalid("'None' is not a valid EventStore.Client.Streams." + request + "+Types+Options+ExpectedStreamRevisionOneofCase")
}

// Append reads options and events until the client has sent all. It rejects an append
// that is too large as soon as it notices, as a real node does. A client that is still
// sending then learns only that the call has ended.
func (s *streamsServer) Append(stream streams.Streams_AppendServer) error {
	ctx := stream.Context()
	in := s.service.intake()
	defer in.releaseBudget()
	for !errors.Is(in.err, store.ErrAppendTooLarge) {
		message, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		in.take(message)
	}
	if in.err != nil {
		return s.service.fail(ctx, in.err)
	}
	if in.options == nil {
		return invalid("options are missing")
	}
	response, err := s.append(in.options, in.events)
	if err != nil {
		return s.service.fail(ctx, err)
	}
	return stream.SendAndClose(response)
}

func (s *streamsServer) append(options *streams.AppendReq_Options, events []store.NewEvent) (*streams.AppendResp, error) {
	expected, err := expectedOf(options)
	if err != nil {
		return nil, err
	}
	name := nameOf(options.GetStreamIdentifier())
	written, err := s.service.Store.Append(name, expected, events)
	var wrong *store.WrongRevisionError
	if errors.As(err, &wrong) {
		return wrongExpectedVersion(wrong), nil
	}
	if err != nil {
		return nil, err
	}
	return appended(written), nil
}

// appendIntake collects one append, within the memory limit of all appends together.
// After the first error it only drains the call.
type appendIntake struct {
	budget  *atomic.Int64
	most    int64
	release Release
	options *streams.AppendReq_Options
	events  []store.NewEvent
	size    int   // of the events, as the limits count them
	held    int64 // part of the budget that this append holds
	err     error
}

func (s *Service) intake() appendIntake {
	return appendIntake{budget: &s.buffered, most: cmp.Or(s.MaxBuffered, DefaultMaxBuffered), release: s.Release}
}

func (in *appendIntake) take(message *streams.AppendReq) {
	if in.err != nil {
		return
	}
	if options := message.GetOptions(); options != nil {
		in.options = options
		return
	}
	if in.options == nil {
		in.err = invalid("options are missing")
		return
	}
	event, err := newEvent(message.GetProposedMessage())
	if err == nil {
		err = in.reserve(&event)
	}
	if err != nil {
		in.err, in.events = err, nil
		in.releaseBudget()
		return
	}
	in.events = append(in.events, event)
}

// reserve counts the bytes of an event. If the budget is exhausted it rejects the append
// instead of waiting, because the appends that hold the budget may need more of it
// themselves.
func (in *appendIntake) reserve(event *store.NewEvent) error {
	size := event.Size()
	in.size += size
	if err := in.hold(size + eventOverhead); err != nil {
		return err
	}
	switch {
	case in.release.maxEvent > 0 && size > in.release.maxEvent:
		return &store.EventTooLargeError{ID: event.ID, Size: size}
	case in.size > in.release.maxAppend:
		return store.ErrAppendTooLarge
	}
	return nil
}

// hold takes so many bytes from the budget until releaseBudget.
func (in *appendIntake) hold(size int) error {
	in.held += int64(size)
	if in.budget.Add(int64(size)) > in.most {
		return errTooBusy
	}
	return nil
}

// releaseBudget returns the bytes to the budget. It may be called more than once.
func (in *appendIntake) releaseBudget() {
	in.budget.Add(-in.held)
	in.held = 0
}

// proposedMessage is an event of an append, which each kind of append declares as a type
// of its own.
type proposedMessage interface {
	GetId() *shared.UUID
	GetMetadata() map[string]string
	GetCustomMetadata() []byte
	GetData() []byte
}

func newEvent(m proposedMessage) (store.NewEvent, error) {
	id, err := fromUUID(m.GetId())
	if err != nil {
		return store.NewEvent{}, errThrown
	}
	meta := m.GetMetadata()
	for _, key := range []string{metaType, metaContentType} {
		if _, ok := meta[key]; !ok {
			return store.NewEvent{}, missingMetadataError(key)
		}
	}
	return store.NewEvent{
		ID: id, Type: meta[metaType], JSON: meta[metaContentType] == contentJSON,
		Data: m.GetData(), Metadata: m.GetCustomMetadata(),
	}, nil
}

func appended(w store.Written) *streams.AppendResp {
	success := &streams.AppendResp_Success{
		PositionOption: &streams.AppendResp_Success_Position{
			Position: &streams.AppendResp_Position{CommitPosition: w.Position, PreparePosition: w.Position},
		},
	}
	if w.Revision < 0 {
		success.CurrentRevisionOption = &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
	} else {
		success.CurrentRevisionOption = &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(w.Revision)}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: success}}
}

// wrongExpectedVersion returns the error as part of the response, twice: in the current
// fields and in those of clients before 20.6.
func wrongExpectedVersion(e *store.WrongRevisionError) *streams.AppendResp {
	w := &streams.AppendResp_WrongExpectedVersion{}
	if e.Current < 0 {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
	} else {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(e.Current)}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: uint64(e.Current)}
	}
	switch e.Expected {
	case store.Any:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
	case store.StreamExists:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}}
	case store.NoStream:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: math.MaxUint64}
	default:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(e.Expected)}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: uint64(e.Expected)}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{WrongExpectedVersion: w}}
}
