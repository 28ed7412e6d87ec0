package groups

import (
	"sync"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/subscription"
)

// Connection is one consumer of a group.
type Connection struct {
	User  string // who is connected, for statistics
	Name  string // the client's name for the connection, for statistics
	group *group
	limit int

	mu      sync.Mutex
	waiting []subscription.Message
	arrived chan struct{} // holds a token if there may be messages to take
	once    sync.Once
	dropped chan struct{}
	cause   error
}

// Arrived returns a channel that receives when there may be messages to Take.
func (c *Connection) Arrived() <-chan struct{} { return c.arrived }

// Take returns the messages that must be sent to the client, in order.
func (c *Connection) Take() []subscription.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	taken := c.waiting
	c.waiting = nil
	return taken
}

// Dropped returns a channel that is closed when the server has ended the connection.
// Cause then returns the reason.
func (c *Connection) Dropped() <-chan struct{} { return c.dropped }

// Cause returns why the connection was dropped.
func (c *Connection) Cause() error { return c.cause }

func (c *Connection) drop(cause error) {
	c.once.Do(func() {
		c.cause = cause
		close(c.dropped)
	})
}

// Offer implements subscription.Consumer.
func (c *Connection) Offer(m subscription.Message) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.waiting) >= c.limit {
		return false
	}
	c.waiting = append(c.waiting, m)
	select {
	case c.arrived <- struct{}{}:
	default:
	}
	return true
}

// Ack settles messages by their ids.
func (c *Connection) Ack(ids []uuid.UUID) error {
	return c.group.do(func() { c.group.engine.Ack(ids, c.group.now()) })
}

// Nack settles messages by their ids in the given way.
func (c *Connection) Nack(ids []uuid.UUID, action subscription.Action, reason string) error {
	return c.group.do(func() { c.group.engine.Nack(ids, action, reason) })
}

// Close disconnects the consumer. Its unsettled messages go back to the group.
func (c *Connection) Close() {
	_ = c.group.do(func() { // a group that has ended has no consumers to remove
		delete(c.group.conns, c)
		c.group.engine.Disconnect(c)
	})
}

// connect adds a consumer that takes at most buffer messages at a time. Its first
// messages arrive with the next tick, or earlier with a command that moves the group. A
// group whose stream is tombstoned confirms and then drops every consumer that joins.
func (g *group) connect(buffer int, user, name string) (*Connection, error) {
	// Twice the buffer: messages that timed out may come again before the client has read
	// the first delivery.
	c := &Connection{
		User: user, Name: name, group: g, limit: 2 * buffer, arrived: make(chan struct{}, 1), dropped: make(chan struct{}),
	}
	full := false
	err := g.ask(func() {
		if g.source.tombstoned() {
			c.drop(ErrDropped)
			return
		}
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
