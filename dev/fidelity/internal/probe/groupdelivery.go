package probe

import (
	"fmt"
	"slices"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// groupDeliveryProbes are about deliveries, acknowledgments and refusals of consumers,
// and the group's statistics meanwhile.
func groupDeliveryProbes() (probes []probe) {
	start, end, at := kurrentdb.Start{}, kurrentdb.End{}, kurrentdb.Revision
	for _, c := range []struct {
		name string
		from kurrentdb.StreamPosition
	}{{"start", start}, {"end", end}, {"at2", at(2)}, {"at9", at(9)}} {
		probes = append(probes, slow("group.from."+c.name, 15e9, func(p *P) { deliverFrom(p, c.from) }))
	}
	for _, c := range []struct {
		name   string
		action kurrentdb.NackAction
	}{
		{"unknown", kurrentdb.NackActionUnknown}, {"park", kurrentdb.NackActionPark}, {"retry", kurrentdb.NackActionRetry},
		{"skip", kurrentdb.NackActionSkip}, {"stop", kurrentdb.NackActionStop},
	} {
		probes = append(probes, slow("group.nack."+c.name, 20e9, func(p *P) { nackOne(p, c.action) }))
	}
	for _, n := range []int32{0, 1, 2} {
		probes = append(probes, slow(fmt.Sprint("group.maxretry.", n), 20e9, func(p *P) { retryUntilParked(p, n) }))
	}
	for _, strategy := range []kurrentdb.ConsumerStrategy{kurrentdb.ConsumerStrategyRoundRobin, kurrentdb.ConsumerStrategyDispatchToSingle} {
		probes = append(probes, slow("group.strategy."+string(strategy), 20e9, func(p *P) { dispatchToTwo(p, strategy) }))
	}
	for _, strategy := range []kurrentdb.ConsumerStrategy{kurrentdb.ConsumerStrategyPinned, kurrentdb.ConsumerStrategyPinnedByCorrelation} {
		probes = append(probes, slow("group.strategy."+string(strategy), 25e9, func(p *P) { pinToTwo(p, strategy) }))
	}
	return append(probes,
		slow("group.ack", 20e9, ackSomeThenAll),
		slow("group.ack.in_one", 15e9, ackSeveralInOne),
		slow("group.ack.unknown", 15e9, ackUnknownEvent),
		slow("group.buffer", 20e9, deliverWithinBuffer),
		slow("group.buffer.small", 20e9, deliverThroughSmallBuffers),
	)
}

func deliverFrom(p *P, from kurrentdb.StreamPosition) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", nil, from)
	p.Seed(p.S("s"), "d", "e")
	consumer := p.join("s", "g", 20)
	consumer.Take("joined", 9)
	p.Seed(p.S("s"), "f", "g", "h", "i", "j", "k", "l")
	consumer.Take("live", 9)
	p.Note("stats", p.Stats("s", "g"))
}

func nackOne(p *P, action kurrentdb.NackAction) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	consumer := p.join("s", "g", 10)
	got := consumer.Take("joined", 3)
	consumer.nack("the reason", action, got[0])
	consumer.Take("then", 9)
	p.Note("stats", p.Stats("s", "g"))
	p.Seed(p.S("s"), "d")
	consumer.Take("live", 9)
	p.Note("parked", p.Parked("s", "g"))
}

// retryUntilParked retries an event more often than the group's limit n.
func retryUntilParked(p *P, n int32) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxRetryCount = n }), kurrentdb.Start{})
	consumer := p.join("s", "g", 10)
	got := consumer.Take("joined", 2)
	consumer.ack(got[1])
	for range n + 2 {
		consumer.nack("again", kurrentdb.NackActionRetry, got[0])
		if got = consumer.Take("after a nack", 1); len(got) == 0 {
			break
		}
	}
	p.awaitParked("s", "g", 1)
	p.Note("parked", p.Parked("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
}

// dispatchToTwo finds how many events each of two consumers gets while neither
// acknowledges any.
func dispatchToTwo(p *P, strategy kurrentdb.ConsumerStrategy) {
	p.Seed(p.S("s"), "w")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.ConsumerStrategyName = strategy }), kurrentdb.End{})
	first := p.join("s", "g", 4)
	p.awaitConnections("s", "g", 1)
	second := p.join("s", "g", 4)
	p.awaitConnections("s", "g", 2)
	p.Seed(p.S("s"), numbered("n", 6)...)
	one, _ := first.take(9, p.quiet)
	two, _ := second.take(9, p.quiet)
	counts := []int{len(one), len(two)}
	slices.Sort(counts) // which of them is served first is undefined
	p.Note("six events to two of four each", counts)
	p.Seed(p.S("s"), numbered("m", 6)...)
	more, _ := first.take(9, p.quiet)
	most, _ := second.take(9, p.quiet)
	p.Note("six more without an answer", []int{len(one) + len(more), len(two) + len(most)})
	p.Note("stats", p.Stats("s", "g"))
}

// pinToTwo finds whether all events of a stream go to the same one of two consumers.
func pinToTwo(p *P, strategy kurrentdb.ConsumerStrategy) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-x"), "w")
	p.awaitEvents(category, 1)
	p.createGroup(category, "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ConsumerStrategyName, s.ResolveLinkTos = strategy, true
	}), kurrentdb.End{})
	first := p.join(category, "g", 100)
	p.awaitConnections(category, "g", 1)
	second := p.join(category, "g", 100)
	p.awaitConnections(category, "g", 2)
	for round := range 2 {
		for i := range 12 {
			e := p.Ev(fmt.Sprint("r", round, "n", i))
			e.Metadata = fmt.Appendf(nil, `{"$correlationId":"c%d"}`, i)
			p.Must("seed", p.appended(p.S(fmt.Sprint("order-", i)), e))
		}
	}
	p.awaitEvents(category, 25)
	one, _ := first.take(50, p.quiet)
	two, _ := second.take(50, p.quiet)
	owner, faithful := map[string]int{}, true
	for i, events := range [][]*kurrentdb.EventAppeared{one, two} {
		for _, e := range events {
			stream := e.Event.Event.StreamID
			if before, known := owner[stream]; known && before != i {
				faithful = false
			}
			owner[stream] = i
		}
	}
	p.Note("delivered", len(one)+len(two))
	p.Note("each stream to one consumer", faithful)
	p.Note("both are served", len(one) > 0 && len(two) > 0)
}

func ackSomeThenAll(p *P) {
	p.Seed(p.S("s"), "a", "b", "c", "d", "e")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 5)
	p.Note("stats before", p.Stats("s", "g"))
	c.ack(got[0], got[1])
	p.Note("stats after two", p.Stats("s", "g"))
	c.ack(got[0]) // once more
	c.ack(got[2:]...)
	p.Note("stats after all", p.Stats("s", "g"))
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.Note("stats without a consumer", p.Stats("s", "g"))
	p.join("s", "g", 10).Take("joined again", 9)
}

func ackSeveralInOne(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 3)
	p.Note("ack", p.failure(c.sub.Ack(got[0].Event, got[1].Event, got[2].Event)))
	p.Note("stats", p.Stats("s", "g"))
}

func ackUnknownEvent(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	c.Take("joined", 1)
	stranger := &kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventID: p.ID("stranger")}}
	p.Note("ack", p.failure(c.sub.Ack(stranger)))
	p.Note("nack", p.failure(c.sub.Nack("why", kurrentdb.NackActionPark, stranger)))
	c.Take("then", 1)
	p.Note("stats", p.Stats("s", "g"))
}

// deliverWithinBuffer finds that no more is in flight than the consumer asked for.
func deliverWithinBuffer(p *P) {
	p.Seed(p.S("s"), "a", "b", "c", "d", "e", "f", "g", "h")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	c := p.join("s", "g", 3)
	got := c.Take("joined", 9)
	p.Note("stats", p.Stats("s", "g"))
	c.ack(got[0])
	c.Take("after one ack", 9)
	c.nack("skipped", kurrentdb.NackActionSkip, got[1])
	c.Take("after one skip", 9)
	c.nack("parked", kurrentdb.NackActionPark, got[2])
	c.Take("after one park", 9)
	p.Note("stats at last", p.Stats("s", "g"))
}

// deliverThroughSmallBuffers makes the server's own buffers small: they fill, and nothing
// is lost.
func deliverThroughSmallBuffers(p *P) {
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.ReadBatchSize, s.HistoryBufferSize, s.LiveBufferSize = 2, 4, 4
		s.CheckpointAfter = 600_000 // when it is written does not matter here
	}), kurrentdb.Start{})
	p.Seed(p.S("s"), numbered("n", 40)...)
	p.Note("stats unjoined", p.Stats("s", "g"))
	c := p.join("s", "g", 3)
	var got []*kurrentdb.EventAppeared
	for range 14 {
		events, _ := c.take(3, p.quiet)
		c.ack(events...)
		got = append(got, events...)
	}
	c.p.Note("all", c.p.delivered(got, false, nil))
	p.Note("stats", p.Stats("s", "g"))
}
