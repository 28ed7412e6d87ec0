package probe

import "github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

// groupStreamProbes are about what happens to a group's stream, and what the group makes
// of its events.
func groupStreamProbes() []probe {
	return []probe{
		slow("group.stream_deleted_meanwhile", 20e9, deletedWhileJoined),
		slow("group.stream_tombstoned_meanwhile", 20e9, tombstonedWhileJoined),
		slow("group.metadata_filter", 15e9, deliverUnderMaxCount),
		slow("group.event_fields", 15e9, deliveredEventFields),
		slow("group.two_groups", 15e9, deliverToTwoGroups),
		slow("group.extra_statistics", 15e9, extraStatistics),
	}
}

func deletedWhileJoined(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 1)
	got := c.Take("joined", 1)
	p.seedDelete(p.S("s"))
	c.ack(got...)
	c.Take("softly deleted", 9)
	p.Seed(p.S("s"), "d")
	c.Take("written again", 1)
	p.Note("stats", p.Stats("s", "g"))
}

func tombstonedWhileJoined(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
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
}

// deliverUnderMaxCount finds whether a group delivers what metadata hides.
func deliverUnderMaxCount(p *P) {
	p.Seed(p.S("s"), "a", "b", "c", "d")
	p.seedMetadata(p.S("s"), `{"$maxCount":2}`)
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	p.join("s", "g", 10).Take("joined", 9)
	p.Note("stats", p.Stats("s", "g"))
}

func deliveredEventFields(p *P) {
	e := p.Ev("a")
	e.Metadata = []byte(`{"m":1}`)
	p.Must("seed", p.appended(p.S("s"), e))
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	got, _ := p.join("s", "g", 10).take(1, p.quiet)
	for _, e := range got {
		p.Note("event", p.fullyResolved(e.Event))
	}
}

// deliverToTwoGroups finds that each group gets everything.
func deliverToTwoGroups(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", nil, kurrentdb.Start{})
	p.createGroup("s", "h", nil, kurrentdb.Start{})
	p.join("s", "g", 10).Take("one", 3)
	p.join("s", "h", 10).Take("other", 3)
}

func extraStatistics(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) { s.ExtraStatistics = true }), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 2)
	c.ack(got...)
	p.Note("stats", p.Stats("s", "g"))
}
