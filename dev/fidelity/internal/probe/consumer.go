package probe

import (
	"context"
	"fmt"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
)

// consumer is a consumer that has joined a group.
type consumer struct {
	p        *P
	sub      *kurrentdb.PersistentSubscription
	messages chan *kurrentdb.PersistentSubscriptionEvent
	cancel   context.CancelFunc
}

func (p *P) tryJoin(stream, group string, buffer uint32) (*consumer, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	options := kurrentdb.SubscribeToPersistentSubscriptionOptions{BufferSize: buffer}
	var sub *kurrentdb.PersistentSubscription
	var err error
	if stream == "$all" {
		sub, err = p.DB().SubscribeToPersistentSubscriptionToAll(ctx, group, options)
	} else {
		sub, err = p.DB().SubscribeToPersistentSubscription(ctx, p.full(stream), group, options)
	}
	if err != nil {
		cancel()
		return nil, err
	}
	c := &consumer{p: p, sub: sub, messages: make(chan *kurrentdb.PersistentSubscriptionEvent, 10_000), cancel: cancel}
	go func() {
		defer close(c.messages)
		for {
			message := sub.Recv()
			c.messages <- message
			if message.SubscriptionDropped != nil {
				return
			}
		}
	}()
	p.Later(cancel)
	return c, nil
}

func (p *P) join(stream, group string, buffer uint32) *consumer {
	c, err := p.tryJoin(stream, group, buffer)
	p.Must("join "+group, err)
	return c
}

// leave ends the consumer as the product does: by canceling its context, a moment after
// the last acknowledgment.
func (c *consumer) leave() {
	c.p.Sleep(150 * time.Millisecond) // acknowledgments are sent in the background
	c.cancel()
}

// take returns up to n events that arrive before a silence, and the error of a drop.
func (c *consumer) take(n int, quiet time.Duration) (events []*kurrentdb.EventAppeared, dropped error) {
	for len(events) < n {
		select {
		case m, open := <-c.messages:
			switch {
			case !open:
				return events, fmt.Errorf("closed")
			case m.SubscriptionDropped != nil:
				return events, m.SubscriptionDropped.Error
			}
			events = append(events, m.EventAppeared)
		case <-time.After(quiet):
			return events, nil
		}
	}
	return events, nil
}

// Take records up to n events that arrive before a silence, and returns them.
func (c *consumer) Take(label string, n int) []*kurrentdb.EventAppeared {
	return c.TakeWithin(label, n, c.p.quiet)
}

func (c *consumer) TakeWithin(label string, n int, quiet time.Duration) []*kurrentdb.EventAppeared {
	events, dropped := c.take(n, quiet)
	c.p.Note(label, c.p.delivered(events, len(events) < n, dropped))
	return events
}

func (p *P) delivered(events []*kurrentdb.EventAppeared, silence bool, dropped error) list {
	lines := list{}
	for _, e := range events {
		line := p.briefly(e.Event)
		if e.RetryCount > 0 {
			line = fmt.Sprintf("%v, retry %d", line, e.RetryCount)
		}
		lines = append(lines, line)
	}
	switch {
	case dropped != nil:
		lines = append(lines, obj{"dropped": p.failure(dropped)})
	case silence:
		lines = append(lines, "silence")
	}
	return lines
}

func (c *consumer) ack(events ...*kurrentdb.EventAppeared) {
	for _, e := range events {
		if err := c.sub.Ack(e.Event); err != nil {
			c.p.Note("ack", c.p.failure(err))
		}
	}
}

func (c *consumer) nack(reason string, action kurrentdb.NackAction, events ...*kurrentdb.EventAppeared) {
	for _, e := range events {
		if err := c.sub.Nack(reason, action, e.Event); err != nil {
			c.p.Note("nack", c.p.failure(err))
		}
	}
}

// wireJoin joins directly over the wire and returns what arrives before a silence.
func (p *P) wireJoin(stream, group string, buffer int32) list {
	return p.wireJoinFor(stream, group, buffer, p.quiet)
}

func (p *P) wireJoinFor(stream, group string, buffer int32, quiet time.Duration) list {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	call, err := p.wire.groups.Read(ctx)
	if err != nil {
		return list{p.refusal(err, nil)}
	}
	_ = call.Send(&persistent.ReadReq{Content: &persistent.ReadReq_Options_{Options: &persistent.ReadReq_Options{
		StreamOption: &persistent.ReadReq_Options_StreamIdentifier{StreamIdentifier: streamID(stream)},
		GroupName:    group, BufferSize: buffer,
		UuidOption: &persistent.ReadReq_Options_UUIDOption{Content: &persistent.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}},
	}}})
	return wireHeard(p, call, p.wireDelivery, quiet)
}

func (p *P) wireDelivery(m *persistent.ReadResp) any {
	switch content := m.GetContent().(type) {
	case *persistent.ReadResp_SubscriptionConfirmation_:
		return "confirmation " + p.show([]byte(content.SubscriptionConfirmation.SubscriptionId))
	case *persistent.ReadResp_Event:
		show := func(e *persistent.ReadResp_ReadEvent_RecordedEvent) any {
			if e == nil {
				return nil
			}
			return fmt.Sprintf("%s@%d %s %s", p.show(e.GetStreamIdentifier().GetStreamName()), e.GetStreamRevision(),
				p.show([]byte(e.GetMetadata()["type"])), position(e.GetCommitPosition(), e.GetPreparePosition()))
		}
		fields := obj{"event": show(content.Event.Event), "link": show(content.Event.Link), "count": fmt.Sprintf("%T %d", content.Event.Count, content.Event.GetRetryCount())}
		switch at := content.Event.GetPosition().(type) {
		case *persistent.ReadResp_ReadEvent_CommitPosition:
			fields["commit"] = mark(at.CommitPosition)
		default:
			fields["commit"] = fmt.Sprintf("%T", at)
		}
		return fields
	}
	return fmt.Sprintf("%T", m.GetContent())
}
