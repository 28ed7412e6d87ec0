package groups

import (
	"sync"

	"github.com/google/uuid"

	"orderflow/internal/kurrentsim/subscription"
)

// Connection is one consumer of a group.
type Connection struct {
	From     string // who is connected, for statistics
	group    *group
	messages chan subscription.Message
	once     sync.Once
	dropped  chan struct{}
	cause    error
}

// Messages are to be sent to the client in order.
func (c *Connection) Messages() <-chan subscription.Message { return c.messages }

// Dropped is closed when the server has ended the connection; Cause then says why.
func (c *Connection) Dropped() <-chan struct{} { return c.dropped }

// Cause is why the connection was dropped.
func (c *Connection) Cause() error { return c.cause }

func (c *Connection) drop(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.dropped)
	})
}

// Offer implements subscription.Consumer.
func (c *Connection) Offer(m subscription.Message) bool {
	select {
	case c.messages <- m:
		return true
	default:
		return false
	}
}

// Ack settles messages by their ids.
func (c *Connection) Ack(ids []uuid.UUID) error {
	return c.group.do(func() { c.group.engine.Ack(ids) })
}

// Nack settles messages by their ids in the given way.
func (c *Connection) Nack(ids []uuid.UUID, action subscription.Action, reason string) error {
	return c.group.do(func() { c.group.engine.Nack(ids, action, reason) })
}

// Close gives back what the consumer had.
func (c *Connection) Close() {
	_ = c.group.do(func() { // a group that has ended has forgotten its consumers
		delete(c.group.conns, c)
		c.group.engine.Disconnect(c)
	})
}

// connect adds a consumer that takes at most buffer messages at a time.
func (g *group) connect(buffer int, from string) (*Connection, error) {
	// Twice the buffer: messages that timed out may come again before the client has read them the first time.
	c := &Connection{From: from, group: g, messages: make(chan subscription.Message, 2*buffer), dropped: make(chan struct{})}
	full := false
	err := g.do(func() {
		limit := g.config.Settings.MaxSubscribers
		if full = limit > 0 && g.engine.Consumers() >= limit; full {
			return
		}
		g.conns[c] = struct{}{}
		g.engine.Connect(c, buffer)
	})
	if err == nil && full {
		err = ErrMaxSubscribers
	}
	return c, err
}
