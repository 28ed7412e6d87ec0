package rpc

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"

	"orderflow/dev/kurrentsim/access"
	"orderflow/dev/kurrentsim/store"
)

// maxUnanswered limits the appends of one call that are written but not yet answered.
const maxUnanswered = 1024

// BatchAppend takes any number of appends, each in one or more messages under a
// correlation id that the client chose. It writes them in the order of their final
// messages. It responds to each once it is durable, without waiting for that before it
// takes the next. An error concerns one append and is part of its response: the call
// continues.
func (s *streamsServer) BatchAppend(stream streams.Streams_BatchAppendServer) error {
	ctx, cancel := s.service.untilStopped(stream.Context())
	defer cancel()
	b := &batchAppender{
		service: s.service, ctx: ctx, pending: map[uuid.UUID]*pendingAppend{},
		answers: make(chan batchAnswer, maxUnanswered),
	}
	sent := make(chan error, 1)
	go func() { sent <- sendAnswers(stream, b.answers) }()
	err := b.run(receiveAppends(ctx, stream))
	for _, p := range b.pending {
		b.forget(p)
	}
	close(b.answers)
	if sendErr := <-sent; err == nil {
		err = sendErr
	}
	return s.service.fail(ctx, err)
}

// batchAnswer waits until an append is durable, if it was written, and returns its
// response.
type batchAnswer func() *streams.BatchAppendResp

// sendAnswers waits for every append, even if the client has disconnected: readers see an
// append only after that.
func sendAnswers(stream streams.Streams_BatchAppendServer, answers <-chan batchAnswer) error {
	var failed error
	for answer := range answers {
		if response := answer(); failed == nil {
			failed = stream.Send(response)
		}
	}
	return failed
}

type receivedAppend struct {
	request *streams.BatchAppendReq
	err     error
}

func receiveAppends(ctx context.Context, stream streams.Streams_BatchAppendServer) <-chan receivedAppend {
	requests := make(chan receivedAppend)
	go func() {
		for {
			request, err := stream.Recv()
			select {
			case requests <- receivedAppend{request, err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()
	return requests
}

// batchAppender collects the appends of one call.
type batchAppender struct {
	service *Service
	ctx     context.Context
	pending map[uuid.UUID]*pendingAppend // appends whose final message has not arrived
	answers chan batchAnswer
}

// pendingAppend is an append that has not arrived completely.
type pendingAppend struct {
	id       uuid.UUID
	stream   string
	expected store.Expected
	deadline time.Time // when its final message must have arrived
	intake   appendIntake
}

// run returns nil once the client has sent all.
func (b *batchAppender) run(requests <-chan receivedAppend) error {
	for {
		select {
		case next := <-requests:
			if errors.Is(next.err, io.EOF) {
				return nil
			}
			if next.err != nil {
				return next.err
			}
			if err := b.take(next.request); err != nil {
				return err
			}
		case <-b.nextDeadline():
			b.expire(time.Now())
		case <-b.ctx.Done():
			return b.ctx.Err()
		}
	}
}

// take adds a message to its append, and writes the append if the message is final. An
// error ends the call.
func (b *batchAppender) take(request *streams.BatchAppendReq) error {
	p, err := b.add(request)
	switch {
	case isMalformed(err) && request.GetOptions() == nil:
		return errThrown // a real node takes the stream's name for such a response from the options
	case err != nil:
		b.refuse(request, p, err)
		return nil
	case p == nil || !request.GetIsFinal():
		return nil
	}
	written := b.service.Store.StartAppend(p.stream, p.expected, p.intake.events)
	b.forget(p)
	b.answer(request.GetCorrelationId(), p.stream, written)
	return nil
}

// add returns the append that a message belongs to. It returns nil if that append was
// rejected or has timed out before.
func (b *batchAppender) add(request *streams.BatchAppendReq) (*pendingAppend, error) {
	id, err := fromUUID(request.GetCorrelationId())
	if err != nil {
		return nil, badRequestError(err.Error())
	}
	if options := request.GetOptions(); options != nil {
		if err := b.open(id, options); err != nil {
			return nil, err
		}
	}
	p := b.pending[id]
	if p == nil {
		return nil, nil
	}
	for _, message := range request.GetProposedMessages() {
		event, err := newEvent(message)
		if err == nil {
			err = p.intake.reserve(&event)
		}
		if err != nil {
			return p, err
		}
		p.intake.events = append(p.intake.events, event)
	}
	return p, nil
}

// open begins an append unless its client may not write there. Repeated options for the
// same append change nothing.
func (b *batchAppender) open(id uuid.UUID, options *streams.BatchAppendReq_Options) error {
	name := nameOf(options.GetStreamIdentifier())
	user, guarded := callerOf(b.ctx)
	timeout := appendTimeout(options, time.Now())
	switch {
	case guarded && !access.Allows(Lists{b.service.Store}, user, access.Write, name):
		return errAppendDenied
	case options.GetStreamIdentifier() == nil:
		return badRequestError("Required field StreamIdentifier not set.")
	case timeout <= 0:
		return errAppendTimeout
	case b.pending[id] != nil:
		return nil
	}
	expected, err := batchExpected(options)
	if err != nil {
		return err
	}
	p := &pendingAppend{id: id, stream: name, expected: expected, deadline: time.Now().Add(timeout), intake: b.service.intake()}
	b.pending[id] = p
	if err := p.intake.hold(eventOverhead + len(name)); err != nil {
		b.forget(p)
		return err
	}
	return nil
}

// refuse responds to an append with an error, and ignores its later messages.
func (b *batchAppender) refuse(request *streams.BatchAppendReq, p *pendingAppend, err error) {
	name := nameOf(request.GetOptions().GetStreamIdentifier())
	if p != nil {
		name = p.stream
		b.forget(p)
	}
	b.answer(request.GetCorrelationId(), name, func() (store.Written, error) { return store.Written{}, err })
}

func (b *batchAppender) answer(id *shared.UUID, name string, written func() (store.Written, error)) {
	answer := func() *streams.BatchAppendResp {
		response := b.service.batchResponse(written())
		response.CorrelationId, response.StreamIdentifier = id, streamID(name)
		return response
	}
	b.answers <- answer
}

// nextDeadline returns a channel that fires when the first pending append times out. It
// is nil if there is none.
func (b *batchAppender) nextDeadline() <-chan time.Time {
	var first time.Time
	for _, p := range b.pending {
		if first.IsZero() || p.deadline.Before(first) {
			first = p.deadline
		}
	}
	if first.IsZero() {
		return nil
	}
	return time.After(time.Until(first))
}

func (b *batchAppender) expire(now time.Time) {
	for _, p := range b.pending {
		if p.deadline.After(now) {
			continue
		}
		b.forget(p)
		b.answer(toUUID(p.id), p.stream, func() (store.Written, error) { return store.Written{}, errAppendTimeout })
	}
}

// forget drops a pending append and releases its budget.
func (b *batchAppender) forget(p *pendingAppend) {
	p.intake.releaseBudget()
	delete(b.pending, p.id)
}
