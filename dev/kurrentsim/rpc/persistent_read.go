package rpc

import (
	"context"
	"errors"
	"io"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"google.golang.org/grpc/metadata"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// Read connects a consumer. It sends events and receives acknowledgements until either
// side closes the call.
func (s *persistentServer) Read(stream persistent.PersistentSubscriptions_ReadServer) error {
	ctx, cancel := s.service.untilStopped(stream.Context())
	defer cancel()
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	options := first.GetOptions()
	if options == nil || options.GetUuidOption() == nil {
		return invalid("options with uuid_option must come first")
	}
	if options.GetBufferSize() < 0 {
		return errThrown
	}
	key := keyOf(options.GetAll(), options.GetStreamIdentifier(), options.GetGroupName())
	consumer, err := s.service.Groups.Connect(key, int(options.GetBufferSize()), userOf(ctx), connectionNameOf(ctx))
	if err != nil {
		return s.service.failGroup(ctx, key, err)
	}
	defer consumer.Close()
	if err := stream.Send(confirmation(key)); err != nil {
		return err
	}
	answers := make(chan error, 1)
	go func() { answers <- takeAnswers(stream, consumer) }()
	err = deliver(ctx, outgoing{stream, uuidFormOf(options.GetUuidOption())}, consumer, answers)
	if err != nil && ctx.Err() == nil {
		return s.service.failGroup(ctx, key, err)
	}
	return s.service.fail(ctx, err)
}

func userOf(ctx context.Context) string {
	switch user, guarded := callerOf(ctx); {
	case !guarded:
		return systemUser
	case user == nil:
		return anonymousUser
	default:
		return user.Name
	}
}

// connectionNameOf returns the client's name for its connection; some clients send none.
func connectionNameOf(ctx context.Context) string {
	if names := metadata.ValueFromIncomingContext(ctx, "connection-name"); len(names) > 0 {
		return names[0]
	}
	return "<unknown>"
}

func confirmation(key groups.Key) *persistent.ReadResp {
	return &persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{
		SubscriptionConfirmation: &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: key.String()},
	}}
}

// outgoing sends messages with ids in the form that the client asked for.
type outgoing struct {
	stream persistent.PersistentSubscriptions_ReadServer
	uuids  uuidForm
}

func (o outgoing) send(m subscription.Message) error {
	return o.stream.Send(toPersistentEvent(m, o.uuids))
}

// deliver sends until the consumer is dropped, or the client has disconnected.
func deliver(ctx context.Context, out outgoing, consumer *groups.Connection, answers <-chan error) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-consumer.Dropped():
			return consumer.Cause()
		case err := <-answers:
			if errors.Is(err, io.EOF) { // no more acknowledgements; the context ends when the client disconnects
				answers = nil
				continue
			}
			return err
		case <-consumer.Arrived():
			for _, message := range consumer.Take() {
				if err := out.send(message); err != nil {
					return err
				}
			}
		}
	}
}

// takeAnswers applies acknowledgements until the client sends no more.
func takeAnswers(stream persistent.PersistentSubscriptions_ReadServer, consumer *groups.Connection) error {
	for {
		request, err := stream.Recv()
		if err != nil {
			return err
		}
		switch {
		case request.GetAck() != nil:
			ids, err := fromUUIDs(request.GetAck().GetIds())
			if err == nil {
				err = consumer.Ack(ids)
			}
			if err != nil {
				return err
			}
		case request.GetNack() != nil:
			if err := refuseMessages(consumer, request.GetNack()); err != nil {
				return err
			}
		default:
			return invalid("only acknowledgements may follow the options")
		}
	}
}

func refuseMessages(consumer *groups.Connection, nack *persistent.ReadReq_Nack) error {
	ids, err := fromUUIDs(nack.GetIds())
	if err != nil {
		return err
	}
	action := subscription.Retry // also for unknown: then the server decides, and it retries
	switch nack.GetAction() {
	case persistent.ReadReq_Nack_Park:
		action = subscription.Park
	case persistent.ReadReq_Nack_Skip:
		action = subscription.Skip
	case persistent.ReadReq_Nack_Stop:
		action = subscription.Stop
	case persistent.ReadReq_Nack_Retry, persistent.ReadReq_Nack_Unknown:
	}
	return consumer.Nack(ids, action, nack.GetReason())
}

func fromUUIDs(ids []*shared.UUID) ([]uuid.UUID, error) {
	parsed := make([]uuid.UUID, len(ids))
	for i, id := range ids {
		var err error
		if parsed[i], err = fromUUID(id); err != nil {
			return nil, invalid("message id is not a UUID")
		}
	}
	return parsed, nil
}

// toPersistentEvent converts an event and its link. Both get one position, that of the
// link.
func toPersistentEvent(m subscription.Message, form uuidForm) *persistent.ReadResp {
	position := m.Event.Original().Position
	return &persistent.ReadResp{Content: &persistent.ReadResp_Event{Event: &persistent.ReadResp_ReadEvent{
		Event:    toPersistentRecorded(m.Event.Event, position, form),
		Link:     toPersistentRecorded(m.Event.Link, position, form),
		Position: &persistent.ReadResp_ReadEvent_CommitPosition{CommitPosition: position},
		Count:    &persistent.ReadResp_ReadEvent_RetryCount{RetryCount: int32(m.RetryCount)},
	}}}
}

func toPersistentRecorded(r *store.Record, position uint64, form uuidForm) *persistent.ReadResp_ReadEvent_RecordedEvent {
	if r == nil {
		return nil
	}
	return &persistent.ReadResp_ReadEvent_RecordedEvent{
		Id:               form(r.ID),
		StreamIdentifier: streamID(r.Stream),
		StreamRevision:   uint64(r.Revision),
		PreparePosition:  position,
		CommitPosition:   position,
		Metadata:         eventMetadata(r),
		CustomMetadata:   r.Metadata,
		Data:             r.Data,
	}
}
