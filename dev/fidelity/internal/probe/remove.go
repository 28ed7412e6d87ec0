package probe

import "github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

// removeProbes delete streams in every condition, softly and hard, with every
// expectation.
func removeProbes() (probes []probe) {
	for _, c := range conditions() {
		probes = append(probes, ask("delete."+c.name, func(p *P) { deleteInCondition(p, c) }))
		probes = append(probes, ask("tombstone."+c.name, func(p *P) { tombstoneInCondition(p, c) }))
	}
	return append(probes,
		ask("undelete.any", func(p *P) { undelete(p, kurrentdb.Any{}) }),
		ask("undelete.nostream", func(p *P) { undelete(p, kurrentdb.NoStream{}) }),
		ask("undelete.exact", func(p *P) { undelete(p, kurrentdb.Revision(1)) }),
		ask("undelete.keeps_metadata", undeleteKeepsMetadata),
		ask("undelete.twice", undeleteTwice),
		ask("delete.position", deletePosition),
		ask("delete.then_tombstone", tombstoneAfterDelete),
	)
}

func deleteInCondition(p *P, c condition) {
	for _, e := range expectations() {
		stream := p.S(e.name)
		c.make(p, stream)
		p.Note(e.name, p.Delete(stream, e.state))
		p.Note(e.name+", then", p.History(stream))
		p.Note(e.name+", metadata", p.Metadata(stream))
	}
}

func tombstoneInCondition(p *P, c condition) {
	for _, e := range expectations() {
		stream := p.S(e.name)
		c.make(p, stream)
		p.Note(e.name, p.Tombstone(stream, e.state))
		p.Note(e.name+", then", p.History(stream))
		p.Note(e.name+", metadata", p.Metadata(stream))
	}
}

func undelete(p *P, state kurrentdb.StreamState) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedDelete(stream)
	p.Note("append", p.Append(stream, state, p.Ev("c"), p.Ev("d")))
	p.Note("forwards", p.History(stream))
	p.Note("backwards", p.Read(stream, backwards(kurrentdb.End{}), 9, p.briefly))
	p.Note("metadata", p.Read("$$"+stream, backwards(kurrentdb.End{}), 1, p.fullyResolved))
}

func undeleteKeepsMetadata(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedMetadata(stream, `{"$maxCount":9,"mine":{"x":[1,2]}}`)
	p.seedDelete(stream)
	p.Note("metadata of the deleted", p.Metadata(stream))
	p.Seed(stream, "c", "d")
	p.Note("metadata then", p.Metadata(stream))
	p.Note("then", p.History(stream))
}

func undeleteTwice(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a")
	p.seedDelete(stream)
	p.Seed(stream, "b")
	p.seedDelete(stream)
	p.Note("append", p.Append(stream, kurrentdb.NoStream{}, p.Ev("c")))
	p.Note("then", p.History(stream))
	p.Note("metadata", p.Metadata(stream))
}

// deletePosition finds that the position returned is that of the metadata event.
func deletePosition(p *P) {
	p.Seed(p.S("s"), "a")
	p.Note("delete", p.Delete(p.S("s"), kurrentdb.Any{}))
	p.Note("metadata", p.Read("$$"+p.S("s"), backwards(kurrentdb.End{}), 1, p.fullyResolved))
}

func tombstoneAfterDelete(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a")
	p.seedDelete(stream)
	p.Note("tombstone", p.Tombstone(stream, kurrentdb.Any{}))
	p.Note("append", p.Append(stream, kurrentdb.Any{}, p.Ev("b")))
	p.Note("read", p.History(stream))
	p.Note("metadata", p.Metadata(stream))
}
