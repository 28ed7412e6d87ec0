package probe

import (
	"fmt"
	"slices"
	"time"

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
		probes = append(probes, slow("group.from."+c.name, 15e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", nil, c.from)
			p.Seed(p.S("s"), "d", "e")
			consumer := p.join("s", "g", 20)
			consumer.Take("joined", 9)
			p.Seed(p.S("s"), "f", "g", "h", "i", "j", "k", "l")
			consumer.Take("live", 9)
			p.Note("stats", p.Stats("s", "g"))
		}))
	}
	for _, c := range []struct {
		name   string
		action kurrentdb.NackAction
	}{
		{"unknown", kurrentdb.NackActionUnknown}, {"park", kurrentdb.NackActionPark}, {"retry", kurrentdb.NackActionRetry},
		{"skip", kurrentdb.NackActionSkip}, {"stop", kurrentdb.NackActionStop},
	} {
		probes = append(probes, slow("group.nack."+c.name, 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", nil, start)
			consumer := p.join("s", "g", 10)
			got := consumer.Take("joined", 3)
			consumer.nack("the reason", c.action, got[0])
			consumer.Take("then", 9)
			p.Note("stats", p.Stats("s", "g"))
			p.Seed(p.S("s"), "d")
			consumer.Take("live", 9)
			p.Note("parked", p.Parked("s", "g"))
		}))
	}
	for _, n := range []int32{0, 1, 2} {
		probes = append(probes, slow(fmt.Sprint("group.maxretry.", n), 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxRetryCount = n }), start)
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
		}))
	}
	for _, strategy := range []kurrentdb.ConsumerStrategy{
		kurrentdb.ConsumerStrategyRoundRobin, kurrentdb.ConsumerStrategyDispatchToSingle,
	} {
		probes = append(probes, slow("group.strategy."+string(strategy), 20e9, func(p *P) {
			p.Seed(p.S("s"), "w")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.ConsumerStrategyName = strategy }), end)
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
		}))
	}
	for _, strategy := range []kurrentdb.ConsumerStrategy{kurrentdb.ConsumerStrategyPinned, kurrentdb.ConsumerStrategyPinnedByCorrelation} {
		probes = append(probes, slow("group.strategy."+string(strategy), 25e9, func(p *P) {
			category := "$ce-" + p.S("order")
			p.Seed(p.S("order-x"), "w")
			p.awaitEvents(category, 1)
			p.createGroup(category, "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
				s.ConsumerStrategyName, s.ResolveLinkTos = strategy, true
			}), end)
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
		}))
	}
	return append(probes,
		slow("group.ack", 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c", "d", "e")
			p.createGroup("s", "g", productSettings(), start)
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
		}),
		slow("group.ack.in_one", 15e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 3)
			p.Note("ack", p.failure(c.sub.Ack(got[0].Event, got[1].Event, got[2].Event)))
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.ack.unknown", 15e9, func(p *P) {
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 10)
			c.Take("joined", 1)
			stranger := &kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventID: p.ID("stranger")}}
			p.Note("ack", p.failure(c.sub.Ack(stranger)))
			p.Note("nack", p.failure(c.sub.Nack("why", kurrentdb.NackActionPark, stranger)))
			c.Take("then", 1)
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.buffer", 20e9, func(p *P) { // no more in flight than the consumer asked for
			p.Seed(p.S("s"), "a", "b", "c", "d", "e", "f", "g", "h")
			p.createGroup("s", "g", nil, start)
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
		}),
		slow("group.buffer.small", 20e9, func(p *P) { // the server's own buffers are small: they fill, and nothing is lost
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
				s.ReadBatchSize, s.HistoryBufferSize, s.LiveBufferSize = 2, 4, 4
				s.CheckpointAfter = 600_000 // when it is written does not matter here
			}), start)
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
		}),
		slow("group.timeout", 25e9, func(p *P) { // without an acknowledgment in time it is redelivered, and counted
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout = 1000 }), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 2)
			c.ack(got[0])
			c.TakeWithin("first time out", 1, 5*time.Second)
			got = c.TakeWithin("second time out", 1, 5*time.Second)
			c.ack(got...)
			c.TakeWithin("acknowledged", 1, 3*time.Second)
		}),
		slow("group.timeout.parks", 25e9, func(p *P) {
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout, s.MaxRetryCount = 1000, 1 }), start)
			c := p.join("s", "g", 10)
			c.Take("joined", 1)
			c.TakeWithin("first time out", 1, 5*time.Second)
			c.TakeWithin("second time out", 1, 4*time.Second)
			p.Note("parked", p.Parked("s", "g"))
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.timeout.late_ack", 25e9, func(p *P) { // an ack for the first delivery counts for the second
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout = 1000 }), start)
			c := p.join("s", "g", 10)
			first := c.Take("joined", 1)
			c.TakeWithin("timed out", 1, 5*time.Second)
			c.ack(first...)
			c.TakeWithin("then", 1, 4*time.Second)
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.timeout.zero", 20e9, func(p *P) {
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MessageTimeout, s.MaxRetryCount = 0, 2 }), start)
			c := p.join("s", "g", 10)
			c.TakeWithin("until parked", 9, 4*time.Second)
			p.Note("parked", p.Metadata(p.parkedStream("s", "g")))
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.leave", 25e9, func(p *P) { // events in flight go to the next consumer
			p.Seed(p.S("s"), "a", "b", "c", "d")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 1 }), start)
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
		}),
		slow("group.leave.takeover", 20e9, func(p *P) { // the other consumer gets it
			p.Seed(p.S("s"), "w")
			p.createGroup("s", "g", nil, end)
			first := p.join("s", "g", 10)
			p.awaitConnections("s", "g", 1)
			p.Seed(p.S("s"), "a", "b", "c")
			first.Take("first", 3)
			second := p.join("s", "g", 10)
			second.Take("second at first", 9)
			first.leave()
			second.Take("second then", 9)
		}),
		slow("group.leave.last_ack", 20e9, func(p *P) { // an ack a moment before the end counts
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 2)
			c.ack(got...)
			c.leave()
			p.awaitConnections("s", "g", 0)
			p.join("s", "g", 10).Take("joined again", 9)
		}),
		slow("group.close", 15e9, func(p *P) { // the client's own way to leave
			p.Seed(p.S("s"), "a")
			p.createGroup("s", "g", nil, start)
			c := p.join("s", "g", 10)
			c.Take("joined", 1)
			p.Note("close", p.failure(c.sub.Close()))
			c.Take("then", 9)
			p.Note("ack after", p.failure(c.sub.Ack(&kurrentdb.ResolvedEvent{Event: &kurrentdb.RecordedEvent{EventID: p.ID("a")}})))
		}),
		slow("group.checkpoint.product", 20e9, func(p *P) { // after every event, at most once a second
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 3)
			p.Note("none yet", p.Checkpoint("s", "g"))
			c.ack(got[0])
			p.Note("stats after one", p.Stats("s", "g"))
			p.Note("after one", p.Checkpoint("s", "g"))
			c.ack(got[2]) // out of order
			p.Note("stats after a gap", p.Stats("s", "g"))
			p.Note("after a gap", p.Checkpoint("s", "g"))
			c.ack(got[1])
			p.Note("stats after all", p.Stats("s", "g"))
			p.Note("after all", p.Checkpoint("s", "g"))
			p.Note("metadata", p.Metadata(p.checkpointStream("s", "g")))
		}),
		slow("group.checkpoint.few", 20e9, func(p *P) { // fewer than the lower bound
			p.Seed(p.S("s"), numbered("n", 15)...)
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
				s.CheckpointAfter, s.CheckpointLowerBound = 1000, 10
			}), start)
			c := p.join("s", "g", 20)
			got, _ := c.take(15, p.quiet)
			c.ack(got[:9]...)
			p.Note("after nine", p.Stats("s", "g"))
			p.Note("checkpoint", p.Checkpoint("s", "g"))
			c.ack(got[9:12]...)
			p.Note("after twelve", p.Stats("s", "g"))
			p.Note("checkpoint then", p.Checkpoint("s", "g"))
		}),
		slow("group.checkpoint.many", 20e9, func(p *P) { // more than the upper bound, long before the time
			p.Seed(p.S("s"), numbered("n", 15)...)
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
				s.CheckpointAfter, s.CheckpointLowerBound, s.CheckpointUpperBound = 600_000, 1, 5
			}), start)
			c := p.join("s", "g", 20)
			got, _ := c.take(15, p.quiet)
			c.ack(got[:3]...)
			p.Note("after three", p.Stats("s", "g"))
			c.ack(got[3:12]...)
			s := p.Stats("s", "g")
			p.Note("written", s.(obj)["lastCheckpointed"] != "")
		}),
		slow("group.checkpoint.held_by_retry", 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 3)
			c.nack("again", kurrentdb.NackActionRetry, got[0])
			c.Take("again", 1)
			c.ack(got[1], got[2])
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.checkpoint.parked_and_skipped", 20e9, func(p *P) { // they are processed
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 3)
			c.nack("p", kurrentdb.NackActionPark, got[0])
			c.nack("s", kurrentdb.NackActionSkip, got[1])
			c.ack(got[2])
			p.Note("stats", p.Stats("s", "g"))
			p.Note("checkpoint", p.Checkpoint("s", "g"))
		}),
		slow("group.lag", 30e9, func(p *P) { // what the product's lag is computed from
			p.createGroup("s", "g", productSettings(), start)
			p.Note("empty", p.Stats("s", "g"))
			p.Seed(p.S("s"), "a", "b", "c", "d")
			p.Note("unjoined", p.Stats("s", "g"))
			c := p.join("s", "g", 2)
			got := c.Take("joined", 2)
			p.Note("two in hand", p.Stats("s", "g"))
			c.ack(got...)
			got = c.Take("two more", 2)
			p.Note("two done", p.Stats("s", "g"))
			c.ack(got...)
			p.Note("all done", p.Stats("s", "g"))
		}),
		slow("group.stream_deleted_meanwhile", 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 1)
			got := c.Take("joined", 1)
			p.seedDelete(p.S("s"))
			c.ack(got...)
			c.Take("softly deleted", 9)
			p.Seed(p.S("s"), "d")
			c.Take("written again", 1)
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.stream_tombstoned_meanwhile", 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			p.createGroup("s", "g", productSettings(), start)
			c := p.join("s", "g", 1)
			got := c.Take("joined", 1)
			p.seedTombstone(p.S("s"))
			c.ack(got...)
			got = c.Take("tombstoned", 9)
			c.ack(got...)
			c.Take("then", 9)
			p.Note("stats", p.Stats("s", "g"))
			_, err := p.tryJoin("s", "g", 5)
			p.Note("join", p.failure(err))
			p.Note("delete", p.failure(p.DB().DeletePersistentSubscription(p.ctx, p.S("s"), "g", kurrentdb.DeletePersistentSubscriptionOptions{})))
		}),
		slow("group.metadata_filter", 15e9, func(p *P) { // what metadata hides
			p.Seed(p.S("s"), "a", "b", "c", "d")
			p.seedMetadata(p.S("s"), `{"$maxCount":2}`)
			p.createGroup("s", "g", nil, start)
			p.join("s", "g", 10).Take("joined", 9)
			p.Note("stats", p.Stats("s", "g"))
		}),
		slow("group.event_fields", 15e9, func(p *P) {
			e := p.Ev("a")
			e.Metadata = []byte(`{"m":1}`)
			p.Must("seed", p.appended(p.S("s"), e))
			p.createGroup("s", "g", nil, start)
			got, _ := p.join("s", "g", 10).take(1, p.quiet)
			for _, e := range got {
				p.Note("event", p.fullyResolved(e.Event))
			}
		}),
		slow("group.two_groups", 15e9, func(p *P) { // each gets everything
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", nil, start)
			p.createGroup("s", "h", nil, start)
			p.join("s", "g", 10).Take("one", 3)
			p.join("s", "h", 10).Take("other", 3)
		}),
		slow("group.extra_statistics", 15e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b")
			p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.ExtraStatistics = true }), start)
			c := p.join("s", "g", 10)
			got := c.Take("joined", 2)
			c.ack(got...)
			p.Note("stats", p.Stats("s", "g"))
		}),
	)
}
