package probe

import (
	"fmt"
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
)

// catchUpProbes are about catch-up subscriptions to a stream, where the client keeps the
// position.
func catchUpProbes() (probes []probe) {
	start, end, at := kurrentdb.Start{}, kurrentdb.End{}, kurrentdb.Revision
	for _, c := range []struct {
		name string
		from kurrentdb.StreamPosition
	}{{"start", start}, {"end", end}, {"at0", at(0)}, {"at2", at(2)}, {"at4", at(4)}, {"max", at(math.MaxInt64)}} {
		probes = append(probes, ask("subscribe.from."+c.name, func(p *P) { subscribeFrom(p, c.from) }))
	}
	for _, c := range conditions() {
		probes = append(probes, ask("subscribe."+c.name, func(p *P) { subscribeInCondition(p, c) }))
	}
	return append(probes,
		ask("subscribe.pages", subscribeAcrossPages),
		ask("subscribe.closed_here", subscriptionClosedByClient),
		ask("subscribe.deleted_meanwhile", deletedWhileSubscribed),
		ask("subscribe.tombstoned_meanwhile", tombstonedWhileSubscribed),
		ask("subscribe.resolving.tombstoned_meanwhile", linkTargetTombstonedWhileSubscribed),
		ask("subscribe.maxcount", subscribeUnderMaxCount),
		ask("subscribe.metastream", subscribeToMetastream),
		ask("subscribe.wire", subscriptionMessages),
	)
}

func subscribeFrom(p *P, from kurrentdb.StreamPosition) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c")
	f, err := p.Follow(stream, kurrentdb.SubscribeToStreamOptions{From: from})
	if err != nil {
		p.Note("subscribe", p.failure(err))
		return
	}
	p.Note("at first", p.heard(f, nil))
	p.Seed(stream, "d")
	p.Seed(stream, "e", "f", "g")
	p.Note("live", p.heard(f, nil))
}

func subscribeInCondition(p *P, c condition) {
	stream := p.S("s")
	c.make(p, stream)
	for _, from := range []kurrentdb.StreamPosition{kurrentdb.Start{}, kurrentdb.End{}} {
		f, err := p.Follow(stream, kurrentdb.SubscribeToStreamOptions{From: from})
		if err != nil {
			p.Note(fmt.Sprintf("subscribe from %T", from), p.failure(err))
			continue
		}
		p.Note(fmt.Sprintf("from %T", from), p.heard(f, nil))
		p.Note("append", p.Append(stream, kurrentdb.Any{}, p.Ev(fmt.Sprintf("x%T", from))))
		p.Note("live", p.heard(f, nil))
		f.stop()
	}
}

func subscribeAcrossPages(p *P) {
	stream := p.S("s")
	p.Seed(stream, numbered("n", 100)...)
	f, err := p.Follow(stream, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe", err)
	seen := p.heard(f, isCaughtUp)
	p.Note("messages", len(seen))
	p.Note("last", seen[len(seen)-1])
}

func subscriptionClosedByClient(p *P) {
	p.Seed(p.S("s"), "a")
	f, err := p.Follow(p.S("s"), kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe", err)
	p.Note("at first", p.heard(f, nil))
	f.stop()
	p.Note("closed", p.heard(f, nil))
}

func deletedWhileSubscribed(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	f, err := p.Follow(stream, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe", err)
	p.Note("at first", p.heard(f, nil))
	p.seedDelete(stream)
	p.Note("deleted", p.heard(f, nil))
	p.Seed(stream, "c")
	p.Note("written again", p.heard(f, nil))
}

func tombstonedWhileSubscribed(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	f, err := p.Follow(stream, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe", err)
	p.Note("at first", p.heard(f, nil))
	p.seedTombstone(stream)
	p.Note("tombstoned", p.heard(f, nil))
}

func linkTargetTombstonedWhileSubscribed(p *P) {
	p.Seed(p.S("order-1"), "a", "b")
	category := "$ce-" + p.S("order")
	p.awaitEvents(category, 2)
	f, err := p.Follow(category, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}, ResolveLinkTos: true})
	p.Must("subscribe", err)
	p.Note("at first", p.heard(f, nil))
	p.Seed(p.S("order-2"), "c")
	p.Note("live", p.heard(f, nil))
	p.seedTombstone(p.S("order-1"))
	p.Note("tombstoned", p.heard(f, nil))
	f, err = p.Follow(category, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}, ResolveLinkTos: true})
	p.Must("subscribe again", err)
	p.Note("again", p.heard(f, nil))
	f, err = p.Follow(category, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe unresolved", err)
	p.Note("unresolved", p.heard(f, nil))
}

func subscribeUnderMaxCount(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c", "d")
	p.seedMetadata(stream, `{"$maxCount":2}`)
	f, err := p.Follow(stream, kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe", err)
	p.Note("at first", p.heard(f, nil))
	p.Seed(stream, "e", "f", "g", "h")
	p.Note("live", p.heard(f, nil))
}

func subscribeToMetastream(p *P) {
	p.seedMetadata(p.S("s"), `{"$maxCount":2}`)
	f, err := p.Follow("$$"+p.S("s"), kurrentdb.SubscribeToStreamOptions{From: kurrentdb.Start{}})
	p.Must("subscribe", err)
	p.Note("at first", p.heard(f, nil))
	p.seedMetadata(p.S("s"), `{"$maxCount":3}`)
	p.Note("live", p.heard(f, nil))
}

// subscriptionMessages records the messages, including those that the client discards.
func subscriptionMessages(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.Note("existing", p.wireRead(subscribing(readOf(p.S("s"), kurrentdb.Start{}, 0))))
	p.Note("from its end", p.wireRead(subscribing(readOf(p.S("s"), kurrentdb.End{}, 0))))
	p.Note("absent", p.wireRead(subscribing(readOf(p.S("t"), kurrentdb.Start{}, 0))))
	p.Seed(p.S("u"), "c")
	p.seedTombstone(p.S("u"))
	p.Note("tombstoned", p.wireRead(subscribing(readOf(p.S("u"), kurrentdb.Start{}, 0))))
	backwards := subscribing(readOf(p.S("s"), kurrentdb.Start{}, 0))
	backwards.ReadDirection = streams.ReadReq_Options_Backwards
	p.Note("backwards", p.wireRead(backwards))
}
