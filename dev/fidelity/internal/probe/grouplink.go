package probe

import "github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

// groupLinkProbes are about groups on $ce- streams, like the product's.
func groupLinkProbes() (probes []probe) {
	for _, change := range streamChanges() {
		probes = append(probes, slow("group.link."+change.name, 30e9, func(p *P) { deliverLinksAfter(p, change) }))
	}
	return append(probes,
		slow("group.link.unresolved", 15e9, deliverLinksUnresolved),
		slow("group.link.before_category", 20e9, joinBeforeCategory),
		slow("group.link.from_end", 20e9, deliverLinksFromEnd),
		slow("group.link.acked_by_event_id", 15e9, ackLinkByEventID),
		slow("group.link.checkpoint", 15e9, checkpointOfLinks),
		slow("group.link.by_type", 15e9, deliverLinksByType),
		slow("group.link.meets_deleted_later", 20e9, linkTargetDeletedInFlight),
	)
}

// deliverLinksAfter delivers links to a changed stream.
func deliverLinksAfter(p *P, change streamChange) {
	stream, category := p.S("order-1"), "$ce-"+p.S("order")
	p.Seed(stream, "a", "b", "c")
	p.awaitEvents(category, 3)
	change.apply(p, stream)
	p.awaitQuiet(category)
	p.createGroup(category, "g", productSettings(), kurrentdb.Start{})
	c := p.join(category, "g", 20)
	got := c.Take("joined", 20)
	var deliveries list
	for _, e := range got[:min(1, len(got))] {
		deliveries = append(deliveries, p.fullyResolved(e.Event))
	}
	p.Note("first, in full", deliveries)
	for i, e := range got { // the product parks what it cannot read, and acknowledges the rest
		if e.Event.Event == nil && i == 0 {
			c.nack("gone", kurrentdb.NackActionPark, e)
			continue
		}
		c.ack(e)
	}
	p.Sleep(p.quiet)
	p.Note("parked", p.Parked(category, "g"))
	p.Note("stats", p.Stats(category, "g"))
	p.Note("replay", p.replay(category, "g", 0))
	c.Take("replayed", 5)
}

func deliverLinksUnresolved(p *P) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-1"), "a")
	p.awaitEvents(category, 1)
	p.createGroup(category, "g", nil, kurrentdb.Start{})
	c := p.join(category, "g", 20)
	got, _ := c.take(1, p.quiet)
	for _, e := range got {
		p.Note("delivery", p.fullyResolved(e.Event))
	}
	c.ack(got...)
	p.Note("stats", p.Stats(category, "g"))
}

// joinBeforeCategory creates the group before there is anything.
func joinBeforeCategory(p *P) {
	category := "$ce-" + p.S("order")
	p.createGroup(category, "g", productSettings(), kurrentdb.Start{})
	p.Note("stats", p.Stats(category, "g"))
	c := p.join(category, "g", 20)
	p.Seed(p.S("order-1"), "a")
	p.Seed(p.S("order-2"), "b")
	c.Take("joined", 2)
}

func deliverLinksFromEnd(p *P) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-1"), "a")
	p.awaitEvents(category, 1)
	p.createGroup(category, "g", productSettings(), kurrentdb.End{})
	p.Seed(p.S("order-2"), "b")
	p.join(category, "g", 20).Take("joined", 1)
}

// ackLinkByEventID acknowledges the event's id instead of the link's.
func ackLinkByEventID(p *P) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-1"), "a")
	p.awaitEvents(category, 1)
	p.createGroup(category, "g", productSettings(), kurrentdb.Start{})
	c := p.join(category, "g", 20)
	got := c.Take("joined", 1)
	for _, e := range got {
		p.Note("ack", p.failure(c.sub.Ack(&kurrentdb.ResolvedEvent{Event: e.Event.Event})))
	}
	p.Note("stats by the event's id", p.Stats(category, "g"))
	c.ack(got...)
	p.Note("stats by the link's id", p.Stats(category, "g"))
}

func checkpointOfLinks(p *P) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-1"), "a", "b")
	p.Seed(p.S("order-2"), "c")
	p.awaitEvents(category, 3)
	p.createGroup(category, "g", productSettings(), kurrentdb.Start{})
	c := p.join(category, "g", 20)
	got := c.Take("joined", 3)
	c.ack(got...)
	p.Note("stats", p.Stats(category, "g"))
	p.Note("checkpoint", p.Checkpoint(category, "g"))
}

func deliverLinksByType(p *P) {
	byType := "$et-" + p.T("placed")
	p.SeedOf(p.T("placed"), p.S("order-1"), "a")
	p.awaitEvents(byType, 1)
	p.createGroup(byType, "g", productSettings(), kurrentdb.Start{})
	p.join(byType, "g", 20).Take("joined", 1)
}

// linkTargetDeletedInFlight deletes the stream while the group has its event in flight.
func linkTargetDeletedInFlight(p *P) {
	category := "$ce-" + p.S("order")
	p.Seed(p.S("order-1"), "a")
	p.awaitEvents(category, 1)
	p.createGroup(category, "g", productSettings(), kurrentdb.Start{})
	c := p.join(category, "g", 20)
	got := c.Take("joined", 1)
	p.seedDelete(p.S("order-1"))
	p.awaitEvents(category, 2)
	c.Take("the deletion", 1)
	c.nack("again", kurrentdb.NackActionRetry, got...)
	c.Take("retried", 2)
	p.Seed(p.S("order-1"), "b")
	c.Take("written again", 2)
}
