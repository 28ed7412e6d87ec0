package probe

import (
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// groupUnackedProbes are about events that a consumer has not acknowledged when their
// time is up or when it leaves.
func groupUnackedProbes() []probe {
	return []probe{
		slow("group.timeout", 25e9, redeliverAfterTimeout),
		slow("group.timeout.parks", 25e9, parkAfterTimeouts),
		slow("group.timeout.late_ack", 25e9, ackAfterTimeout),
		slow("group.timeout.zero", 20e9, messageTimeoutZero),
		slow("group.leave", 25e9, redeliverAfterLeave),
		slow("group.leave.takeover", 20e9, takeOverAfterLeave),
		slow("group.leave.last_ack", 20e9, ackBeforeLeave),
		slow("group.close", 15e9, closeSubscription),
	}
}

// redeliverAfterTimeout finds that without an acknowledgment in time an event is
// redelivered, and counted.
func redeliverAfterTimeout(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout = 1000 }), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 2)
	c.ack(got[0])
	c.TakeWithin("first time out", 1, 5*time.Second)
	got = c.TakeWithin("second time out", 1, 5*time.Second)
	c.ack(got...)
	c.TakeWithin("acknowledged", 1, 3*time.Second)
}

func parkAfterTimeouts(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout, s.MaxRetryCount = 1000, 1 }), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	c.Take("joined", 1)
	c.TakeWithin("first time out", 1, 5*time.Second)
	c.TakeWithin("second time out", 1, 4*time.Second)
	p.Note("parked", p.Parked("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
}

// ackAfterTimeout finds that an acknowledgment for the first delivery counts for the
// second.
func ackAfterTimeout(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout = 1000 }), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	first := c.Take("joined", 1)
	c.TakeWithin("timed out", 1, 5*time.Second)
	c.ack(first...)
	c.TakeWithin("then", 1, 4*time.Second)
	p.Note("stats", p.Stats("s", "g"))
}

func messageTimeoutZero(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout, s.MaxRetryCount = 0, 2 }), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	c.TakeWithin("until parked", 9, 4*time.Second)
	p.Note("parked", p.Metadata(p.parkedStream("s", "g")))
	p.Note("stats", p.Stats("s", "g"))
}

// redeliverAfterLeave finds that events in flight go to the next consumer.
func redeliverAfterLeave(p *P) {
	p.Seed(p.S("s"), "a", "b", "c", "d")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 1 }), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("first", 4)
	c.ack(got[1])
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.Note("stats between", p.Stats("s", "g"))
	c = p.join("s", "g", 10)
	c.Take("second", 9)
	c.leave()
	p.awaitConnections("s", "g", 0)
	c = p.join("s", "g", 10)
	c.Take("third", 9) // past the group's limit of retries
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.Note("stats", p.Stats("s", "g"))
}

// takeOverAfterLeave finds that events in flight go to the other consumer.
func takeOverAfterLeave(p *P) {
	p.Seed(p.S("s"), "w")
	p.createGroup("s", "g", nil, kurrentdb.End{})
	first := p.join("s", "g", 10)
	p.awaitConnections("s", "g", 1)
	p.Seed(p.S("s"), "a", "b", "c")
	first.Take("first", 3)
	second := p.join("s", "g", 10)
	second.Take("second at first", 9)
	first.leave()
	second.Take("second then", 9)
}

// ackBeforeLeave finds that an acknowledgment a moment before the end counts.
func ackBeforeLeave(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 2)
	c.ack(got...)
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.join("s", "g", 10).Take("joined again", 9)
}

// closeSubscription leaves by the client's own method.
func closeSubscription(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	c := p.join("s", "g", 10)
	c.Take("joined", 1)
	p.Note("close", p.failure(c.sub.Close()))
	c.Take("then", 9)
	p.Note("ack after", p.failure(c.sub.Ack(&kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventID: p.ID("a")}})))
}
