package probe

import (
	"fmt"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// groupParkedProbes are about parking events, replaying and dropping them.
func groupParkedProbes() (probes []probe) {
	for _, c := range []struct{ name, reason string }{
		{"plain", "out of stock"}, {"empty", ""}, {"unicode", "größe → 日本"}, {"lines", "one\ntwo\ttabs \"quotes\" \\ <b>&</b>"},
		{"long", strings.Repeat("r", 1024)},
	} {
		probes = append(probes, slow("parked.reason."+c.name, 15e9, func(p *P) { parkWithReason(p, c.reason) }))
	}
	for _, c := range []struct {
		name   string
		stopAt int
	}{{"all", 0}, {"to1", 1}, {"to2", 2}, {"to3", 3}, {"to99", 99}} {
		probes = append(probes, slow("replay."+c.name, 30e9, func(p *P) { replayUpTo(p, c.stopAt) }))
	}
	return append(probes,
		slow("replay.fields", 20e9, replayedEventFields),
		slow("replay.nothing", 15e9, replayNothing),
		slow("replay.unjoined", 30e9, replayWithoutConsumer),
		slow("replay.parked_again", 25e9, parkReplayedAgain),
		slow("replay.retried", 25e9, retryReplayed),
		slow("replay.target_gone", 25e9, replayTruncatedEvents),
		slow("replay.stream_tombstoned", 25e9, replayTombstonedStream),
		slow("replay.lost_with_consumer", 25e9, leaveWithReplayedEvents),
		slow("parked.dropped", 30e9, dropParked),
		slow("parked.dropped_all", 30e9, dropAllParked),
		slow("parked.metadata_kept", 25e9, replayKeepsParkedMetadata),
		slow("parked.same_event_twice", 25e9, parkInTwoGroups),
		slow("parked.category", 20e9, parkCategoryEvent),
	)
}

func parkWithReason(p *P, reason string) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	consumer := p.join("s", "g", 10)
	got := consumer.Take("joined", 1)
	consumer.nack(reason, kurrentdb.NackActionPark, got...)
	p.awaitParked("s", "g", 1)
	p.Note("parked", p.Parked("s", "g"))
}

// parkThree returns a consumer that has parked a, b and c, and acknowledged d.
func parkThree(p *P) *consumer {
	p.Seed(p.S("s"), "a", "b", "c", "d")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got, _ := c.take(4, p.quiet)
	if len(got) != 4 {
		p.Note("cannot park", len(got))
		panic(stop{})
	}
	for i, e := range got[:3] {
		c.nack(fmt.Sprint("reason ", i), kurrentdb.NackActionPark, e)
		p.awaitParked("s", "g", int64(i+1))
	}
	c.ack(got[3])
	return c
}

func replayUpTo(p *P, stopAt int) {
	consumer := parkThree(p)
	p.Note("stats before", p.Stats("s", "g"))
	p.Note("replay", p.replay("s", "g", stopAt))
	got := consumer.Take("replayed", 9)
	p.Note("stats meanwhile", p.Stats("s", "g"))
	p.Note("parked meanwhile", p.Parked("s", "g"))
	consumer.ack(got...)
	p.Note("stats after", p.Stats("s", "g"))
	p.Note("again", p.replay("s", "g", stopAt))
	consumer.Take("replayed again", 9)
	p.Note("parked at last", p.Parked("s", "g"))
	p.Note("stats at last", p.Stats("s", "g"))
}

// replayedEventFields records what a replayed delivery looks like.
func replayedEventFields(p *P) {
	consumer := parkThree(p)
	p.Note("replay", p.replay("s", "g", 1))
	got, _ := consumer.take(1, p.quiet)
	for _, e := range got {
		p.Note("delivery", obj{"event": p.fullyResolved(e.Event), "retry": e.RetryCount})
	}
}

func replayNothing(p *P) {
	p.Seed(p.S("s"), "a")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	p.Note("replay", p.replay("s", "g", 0))
	p.Note("replay to 1", p.replay("s", "g", 1))
	p.Note("parked", p.Parked("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
}

func replayWithoutConsumer(p *P) {
	c := parkThree(p)
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.Note("replay", p.replay("s", "g", 0))
	p.Note("stats", p.Stats("s", "g"))
	p.Note("parked", p.Metadata(p.parkedStream("s", "g")))
	c = p.join("s", "g", 10)
	c.Take("joined", 9)
}

func parkReplayedAgain(p *P) {
	c := parkThree(p)
	p.Note("replay", p.replay("s", "g", 2))
	got := c.Take("replayed", 2)
	for i, e := range got {
		c.nack("still not", kurrentdb.NackActionPark, e)
		p.awaitParked("s", "g", int64(2+i))
	}
	p.Note("parked", p.Parked("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
}

func retryReplayed(p *P) {
	c := parkThree(p)
	p.Note("replay", p.replay("s", "g", 1))
	got := c.Take("replayed", 1)
	c.nack("again", kurrentdb.NackActionRetry, got...)
	c.Take("retried", 9)
}

func replayTruncatedEvents(p *P) {
	c := parkThree(p)
	p.seedMetadata(p.S("s"), `{"$tb":2}`)
	p.Note("parked", p.Parked("s", "g"))
	p.Note("replay", p.replay("s", "g", 0))
	c.Take("replayed", 9)
	p.Note("stats", p.Stats("s", "g"))
}

func replayTombstonedStream(p *P) {
	c := parkThree(p)
	p.seedTombstone(p.S("s"))
	p.Note("parked", p.Parked("s", "g"))
	p.Note("replay", p.replay("s", "g", 0))
	c.Take("replayed", 9)
	p.Note("stats", p.Stats("s", "g"))
}

// leaveWithReplayedEvents replays without an acknowledgment, and the consumer leaves.
func leaveWithReplayedEvents(p *P) {
	c := parkThree(p)
	p.Note("replay", p.replay("s", "g", 0))
	c.Take("replayed", 3)
	c.leave()
	p.awaitConnections("s", "g", 0)
	p.Note("stats", p.Stats("s", "g"))
	p.join("s", "g", 10).Take("joined again", 9)
}

// dropParked drops parked events as the product does: it moves $tb itself.
func dropParked(p *P) {
	c := parkThree(p)
	parked := p.parkedStream("s", "g")
	p.Note("metadata before", p.Metadata(parked))
	boundary := kurrentdb.EventData{EventID: p.ID("boundary"), EventType: "$metadata", ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{"$tb":2}`)}
	p.Note("write", p.Append("$$"+parked, kurrentdb.NoStream{}, boundary))
	p.Note("parked", p.Parked("s", "g"))
	p.Note("first", p.Read(parked, forwards(kurrentdb.Revision(0)), 1, p.briefly))
	p.Note("last", p.Read(parked, backwards(kurrentdb.End{}), 1, p.briefly))
	p.Note("stats", p.Stats("s", "g"))
	p.Note("replay", p.replay("s", "g", 3))
	got := c.Take("replayed", 9)
	c.ack(got...)
	p.Note("stats at last", p.Stats("s", "g"))
	p.Note("metadata at last", p.Metadata(parked))
}

func dropAllParked(p *P) {
	c := parkThree(p)
	parked := p.parkedStream("s", "g")
	boundary := kurrentdb.EventData{EventID: p.ID("boundary"), EventType: "$metadata", ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{"$tb":3}`)}
	p.Note("write", p.Append("$$"+parked, kurrentdb.NoStream{}, boundary))
	p.Note("parked", p.Parked("s", "g"))
	p.Note("stats", p.Stats("s", "g"))
	p.Seed(p.S("s"), "e")
	got := c.Take("live", 1)
	c.nack("one more", kurrentdb.NackActionPark, got...)
	p.Sleep(p.quiet)
	p.Note("parked then", p.Parked("s", "g"))
	p.Note("stats then", p.Stats("s", "g"))
	again := boundary
	again.EventID, again.Data = p.ID("again"), []byte(`{"$tb":3,"mine":1}`)
	p.Note("write where it is not", p.Append("$$"+parked, kurrentdb.NoStream{}, again))
	p.Note("write where it is", p.Append("$$"+parked, kurrentdb.Revision(0), again))
	p.Note("replay below the boundary", p.replay("s", "g", 1))
	c.Take("replayed", 9)
	p.Note("metadata at last", p.Metadata(parked))
}

// replayKeepsParkedMetadata is about other fields of the parked stream's metadata.
func replayKeepsParkedMetadata(p *P) {
	c := parkThree(p)
	parked := p.parkedStream("s", "g")
	m := kurrentdb.EventData{EventID: p.ID("m"), EventType: "$metadata", ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{"$maxCount":50,"mine":1}`)}
	p.Note("write", p.Append("$$"+parked, kurrentdb.Any{}, m))
	p.Note("replay", p.replay("s", "g", 2))
	c.Take("replayed", 9)
	p.Note("metadata", p.Metadata(parked))
}

// parkInTwoGroups has two groups park the same event.
func parkInTwoGroups(p *P) {
	p.Seed(p.S("s"), "a")
	for _, group := range []string{"g", "h"} {
		p.createGroup("s", group, nil, kurrentdb.Start{})
		c := p.join("s", group, 10)
		got := c.Take("joined", 1)
		c.nack("by "+group, kurrentdb.NackActionPark, got...)
		p.awaitParked("s", group, 1)
		p.Note("parked", p.Parked("s", group))
	}
}

// parkCategoryEvent parks in a group on $ce-, as the product's groups are.
func parkCategoryEvent(p *P) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-1"), "a")
	p.awaitEvents(category, 1)
	p.createGroup(category, "g", productSettings(), kurrentdb.Start{})
	c := p.join(category, "g", 10)
	got := c.Take("joined", 1)
	c.nack("why", kurrentdb.NackActionPark, got...)
	p.awaitParked(category, "g", 1)
	p.Note("parked", p.Parked(category, "g"))
	p.Note("replay", p.replay(category, "g", 1))
	got, _ = c.take(1, p.quiet)
	for _, e := range got {
		p.Note("replayed", obj{"event": p.fullyResolved(e.Event), "retry": e.RetryCount})
	}
	c.nack("still", kurrentdb.NackActionPark, got...)
	p.awaitParked(category, "g", 1)
	p.Note("parked again", p.Parked(category, "g"))
	p.Note("stats", p.Stats(category, "g"))
}
