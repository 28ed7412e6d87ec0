package probe

import "github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

// groupCheckpointProbes are about a group's checkpoint, and the lag.
func groupCheckpointProbes() []probe {
	return []probe{
		slow("group.checkpoint.product", 20e9, checkpointPerEvent),
		slow("group.checkpoint.few", 20e9, checkpointBelowLowerBound),
		slow("group.checkpoint.many", 20e9, checkpointAboveUpperBound),
		slow("group.checkpoint.held_by_retry", 20e9, checkpointHeldByRetry),
		slow("group.checkpoint.parked_and_skipped", 20e9, checkpointPastParkedAndSkipped),
		slow("group.lag", 30e9, lagStatistics),
	}
}

// checkpointPerEvent has the product's settings: a checkpoint after every event, at most
// once a second.
func checkpointPerEvent(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
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
}

// checkpointBelowLowerBound acknowledges fewer events than the lower bound.
func checkpointBelowLowerBound(p *P) {
	p.Seed(p.S("s"), numbered("n", 15)...)
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.CheckpointAfter, s.CheckpointLowerBound = 1000, 10
	}), kurrentdb.Start{})
	c := p.join("s", "g", 20)
	got, _ := c.take(15, p.quiet)
	c.ack(got[:9]...)
	p.Note("after nine", p.Stats("s", "g"))
	p.Note("checkpoint", p.Checkpoint("s", "g"))
	c.ack(got[9:12]...)
	p.Note("after twelve", p.Stats("s", "g"))
	p.Note("checkpoint then", p.Checkpoint("s", "g"))
}

// checkpointAboveUpperBound acknowledges more events than the upper bound, long before
// the time.
func checkpointAboveUpperBound(p *P) {
	p.Seed(p.S("s"), numbered("n", 15)...)
	p.createGroup("s", "g", groupSettings(func(s *kurrentdb.PersistentSubscriptionSettings) {
		s.CheckpointAfter, s.CheckpointLowerBound, s.CheckpointUpperBound = 600_000, 1, 5
	}), kurrentdb.Start{})
	c := p.join("s", "g", 20)
	got, _ := c.take(15, p.quiet)
	c.ack(got[:3]...)
	p.Note("after three", p.Stats("s", "g"))
	c.ack(got[3:12]...)
	s := p.Stats("s", "g")
	p.Note("written", s.(obj)["lastCheckpointed"] != "")
}

func checkpointHeldByRetry(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 3)
	c.nack("again", kurrentdb.NackActionRetry, got[0])
	c.Take("again", 1)
	c.ack(got[1], got[2])
	p.Note("stats", p.Stats("s", "g"))
}

// checkpointPastParkedAndSkipped finds that such events count as processed.
func checkpointPastParkedAndSkipped(p *P) {
	p.Seed(p.S("s"), "a", "b", "c")
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
	c := p.join("s", "g", 10)
	got := c.Take("joined", 3)
	c.nack("p", kurrentdb.NackActionPark, got[0])
	c.nack("s", kurrentdb.NackActionSkip, got[1])
	c.ack(got[2])
	p.Note("stats", p.Stats("s", "g"))
	p.Note("checkpoint", p.Checkpoint("s", "g"))
}

// lagStatistics records what the product's lag is computed from.
func lagStatistics(p *P) {
	p.createGroup("s", "g", productSettings(), kurrentdb.Start{})
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
}
