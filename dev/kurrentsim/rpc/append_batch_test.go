package rpc_test

import (
	"fmt"
	"io"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// batchCall is a call of BatchAppend.
type batchCall struct {
	*testing.T
	streams.Streams_BatchAppendClient
}

func (w *rawClient) batch() batchCall {
	w.Helper()
	call, err := w.streams.BatchAppend(w.Context())
	require.NoError(w, err)
	return batchCall{w.T, call}
}

// batchOf returns an append in one message, with a new id.
func batchOf(name string, change func(*streams.BatchAppendReq)) *streams.BatchAppendReq {
	request := &streams.BatchAppendReq{
		CorrelationId: textID(),
		Options: &streams.BatchAppendReq_Options{
			StreamIdentifier:       stream(name),
			ExpectedStreamPosition: &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}},
		},
		ProposedMessages: batched(1, 1),
		IsFinal:          true,
	}
	if change != nil {
		change(request)
	}
	return request
}

// batched returns events of the given size.
func batched(count, size int) []*streams.BatchAppendReq_ProposedMessage {
	messages := make([]*streams.BatchAppendReq_ProposedMessage, count)
	for i := range messages {
		messages[i] = &streams.BatchAppendReq_ProposedMessage{
			Id: textID(), Metadata: map[string]string{"type": "placed", "content-type": "application/json"}, Data: make([]byte, size),
		}
	}
	return messages
}

func textID() *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: uuid.NewString()}}
}

func (c batchCall) send(request *streams.BatchAppendReq) {
	c.Helper()
	require.NoError(c, c.Send(request))
}

// answered waits for the next response, which must be to the request.
func (c batchCall) answered(request *streams.BatchAppendReq) *streams.BatchAppendResp {
	c.Helper()
	answer, err := c.Recv()
	require.NoError(c, err)
	require.Equal(c, request.GetCorrelationId().GetString_(), answer.GetCorrelationId().GetString_())
	if id := request.GetOptions().GetStreamIdentifier(); id != nil {
		require.Equal(c, string(id.GetStreamName()), string(answer.GetStreamIdentifier().GetStreamName()))
	}
	return answer
}

// refused waits for the next response, which must be an error for the request with these
// details.
func (c batchCall) refused(request *streams.BatchAppendReq, code codes.Code, text string, details proto.Message) {
	c.Helper()
	refusal := c.answered(request).GetError()
	require.NotNil(c, refusal)
	require.Equal(c, code, codes.Code(refusal.GetCode()))
	require.Equal(c, text, refusal.GetMessage())
	require.Len(c, refusal.GetDetails(), 1)
	got, err := refusal.GetDetails()[0].UnmarshalNew()
	require.NoError(c, err)
	require.True(c, proto.Equal(details, got), "%v", got)
}

func TestBatchAppend_AnswersInOrder(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	call := w.batch()
	var sent []*streams.BatchAppendReq
	for i := range 200 {
		request := batchOf("order-1", func(r *streams.BatchAppendReq) {
			r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
			if i > 0 {
				r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: uint64(i - 1)}
			}
		})
		sent = append(sent, request)
		call.send(request)
	}
	require.NoError(t, call.CloseSend())
	var last uint64
	for i, request := range sent {
		success := call.answered(request).GetSuccess()
		require.NotNil(t, success, "each depends on the one before, which is not answered yet")
		require.EqualValues(t, i, success.GetCurrentRevision())
		require.Greater(t, success.GetPosition().GetCommitPosition(), last)
		last = success.GetPosition().GetCommitPosition()
	}
	_, err := call.Recv()
	require.ErrorIs(t, err, io.EOF)
}

func TestBatchAppend_SeveralMessagesAreOneAppend(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	call := w.batch()
	first := batchOf("order-1", func(r *streams.BatchAppendReq) { r.IsFinal = false })
	call.send(first)
	between := batchOf("order-1", nil)
	call.send(between)
	require.EqualValues(t, 0, call.answered(between).GetSuccess().GetCurrentRevision(), "the first is not complete yet")
	call.send(&streams.BatchAppendReq{CorrelationId: first.CorrelationId, ProposedMessages: batched(2, 1)})
	call.send(&streams.BatchAppendReq{CorrelationId: first.CorrelationId, ProposedMessages: batched(1, 1), IsFinal: true})
	require.EqualValues(t, 4, call.answered(first).GetSuccess().GetCurrentRevision())
	call.send(&streams.BatchAppendReq{CorrelationId: first.CorrelationId, ProposedMessages: batched(1, 1), IsFinal: true})
	empty := batchOf("order-2", func(r *streams.BatchAppendReq) { r.ProposedMessages = nil })
	call.send(empty)
	require.NotNil(t, call.answered(empty).GetSuccess().GetNoStream(), "and messages after the final one are ignored")
	found, _, err := w.read(readOptions("order-1"))
	require.NoError(t, err)
	require.Len(t, found, 5)
}

func TestBatchAppend_ContinuesAfterAnError(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	_, _, err := w.append(appendOptions("order-1"), proposed(1, nil))
	require.NoError(t, err)
	w.tombstone("gone-ä")
	call := w.batch()
	for name, c := range map[string]struct {
		stream  string
		change  func(*streams.BatchAppendReq)
		code    codes.Code
		text    string
		details proto.Message
	}{
		"wrong revision": {"order-1", func(r *streams.BatchAppendReq) {
			r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: 7}
		}, codes.AlreadyExists, "WrongExpectedVersion", &shared.WrongExpectedVersion{
			CurrentStreamRevisionOption:  &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: 0},
			ExpectedStreamPositionOption: &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: 7},
		}},
		"stream exists": {"order-1", func(r *streams.BatchAppendReq) {
			r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
		}, codes.AlreadyExists, "WrongExpectedVersion", &shared.WrongExpectedVersion{
			CurrentStreamRevisionOption:  &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: 0},
			ExpectedStreamPositionOption: &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &emptypb.Empty{}},
		}},
		"stream does not exist": {"order-2", func(r *streams.BatchAppendReq) {
			r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamExists{StreamExists: &emptypb.Empty{}}
		}, codes.AlreadyExists, "WrongExpectedVersion", &shared.WrongExpectedVersion{
			CurrentStreamRevisionOption:  &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}},
			ExpectedStreamPositionOption: &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &emptypb.Empty{}},
		}},
		"tombstone": {"gone-ä", nil, codes.NotFound, "StreamDeleted", &shared.StreamDeleted{StreamIdentifier: stream("gone-ä")}},
		"too large": {"order-1", func(r *streams.BatchAppendReq) {
			r.ProposedMessages = batched(3, 1<<20/2)
		}, codes.InvalidArgument, "MaximumAppendSizeExceeded", &shared.MaximumAppendSizeExceeded{MaxAppendSize: 1 << 20}},
		"deadline is over": {"order-1", func(r *streams.BatchAppendReq) {
			r.Options.DeadlineOption = &streams.BatchAppendReq_Options_Deadline_21_10_0{
				Deadline_21_10_0: timestamppb.New(time.Now().Add(-time.Second)),
			}
		}, codes.DeadlineExceeded, "Timeout", &shared.Timeout{}},
		"no stream": {"", func(r *streams.BatchAppendReq) { r.Options.StreamIdentifier = nil },
			codes.InvalidArgument, "BadRequest", &shared.BadRequest{Message: "Required field StreamIdentifier not set."}},
	} {
		request := batchOf(c.stream, c.change)
		call.send(request)
		t.Log(name)
		call.refused(request, c.code, c.text, c.details)
	}
	last := batchOf("order-1", nil)
	call.send(last)
	require.EqualValues(t, 1, call.answered(last).GetSuccess().GetCurrentRevision(), "none of them was written")
}

func TestBatchAppend_MalformedEvents(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	call := w.batch()
	for name, change := range map[string]func(*streams.BatchAppendReq){
		"no type":          func(r *streams.BatchAppendReq) { delete(r.ProposedMessages[0].Metadata, "type") },
		"empty type":       func(r *streams.BatchAppendReq) { r.ProposedMessages[0].Metadata["type"] = "" },
		"no id":            func(r *streams.BatchAppendReq) { r.ProposedMessages[0].Id = nil },
		"id is not a UUID": func(r *streams.BatchAppendReq) { r.ProposedMessages[0].Id.Value = &shared.UUID_String_{String_: "1"} },
		"no name":          func(r *streams.BatchAppendReq) { r.Options.StreamIdentifier = stream("") },
		"no expectation": func(r *streams.BatchAppendReq) {
			r.Options.ExpectedStreamPosition = nil
		},
		"position out of range": func(r *streams.BatchAppendReq) {
			r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: 1 << 63}
		},
	} {
		request := batchOf("order-1", change)
		call.send(request)
		refusal := call.answered(request).GetError()
		require.Equal(t, "BadRequest", refusal.GetMessage(), name)
		require.Len(t, refusal.GetDetails(), 1, name)
		require.True(t, refusal.GetDetails()[0].MessageIs(&shared.BadRequest{}), name)
	}
	call.send(&streams.BatchAppendReq{CorrelationId: &shared.UUID{}})
	_, err := call.Recv()
	require.Equal(t, codes.Unknown, status.Code(err), "no stream to name in an answer: %v", err)
}

func TestBatchAppend_IncompleteAppendTimesOut(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	call := w.batch()
	half := batchOf("order-1", func(r *streams.BatchAppendReq) {
		r.IsFinal = false
		r.Options.DeadlineOption = &streams.BatchAppendReq_Options_Deadline{Deadline: durationpb.New(50 * time.Millisecond)}
	})
	call.send(half)
	answer, err := call.Recv()
	require.NoError(t, err)
	require.Equal(t, "Timeout", answer.GetError().GetMessage())
	require.Equal(t, "order-1", string(answer.GetStreamIdentifier().GetStreamName()))
	call.send(&streams.BatchAppendReq{CorrelationId: half.CorrelationId, ProposedMessages: batched(1, 1), IsFinal: true})
	whole := batchOf("order-1", nil)
	call.send(whole)
	require.EqualValues(t, 0, call.answered(whole).GetSuccess().GetCurrentRevision(), "an append that arrived too late is not written")
}

func TestBatchAppend_LimitsBufferedBytes(t *testing.T) {
	t.Parallel()
	const most = 64 << 10
	w := newRawClient(t, most)
	call := w.batch()
	held := batchOf("order-1", func(r *streams.BatchAppendReq) {
		r.ProposedMessages, r.IsFinal = batched(1, most/2), false
	})
	call.send(held)
	for i := range 3 { // a rejected or written append returns its bytes to the budget
		refused := batchOf(fmt.Sprintf("order-%d", i), func(r *streams.BatchAppendReq) { r.ProposedMessages = batched(1, most/2) })
		call.send(refused)
		call.refused(refused, codes.Unavailable, "Server Is Busy", &emptypb.Empty{})
	}
	call.send(&streams.BatchAppendReq{CorrelationId: held.CorrelationId, IsFinal: true})
	require.NotNil(t, call.answered(held).GetSuccess())
	next := batchOf("order-1", func(r *streams.BatchAppendReq) { r.ProposedMessages = batched(1, most/2) })
	call.send(next)
	require.NotNil(t, call.answered(next).GetSuccess())
}

func TestBatchAppend_ReadableBeforeItsResponse(t *testing.T) {
	t.Parallel()
	w := newRawClient(t, 0)
	for i := range 50 {
		call, err := w.streams.BatchAppend(w.Context())
		require.NoError(t, err)
		require.NoError(t, call.Send(batchOf(fmt.Sprintf("order-%d", i), nil)))
		require.NoError(t, call.CloseSend())
	}
	for i := range 50 {
		require.Eventually(t, func() bool {
			found, _, err := w.read(readOptions(fmt.Sprintf("order-%d", i)))
			return err == nil && len(found) == 1 && found[0].GetEvent() != nil
		}, waitFor, time.Millisecond)
	}
}
