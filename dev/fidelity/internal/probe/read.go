package probe

import (
	"fmt"
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// readProbes are counted reads of one stream in every condition, and at its edges.
func readProbes() (probes []probe) {
	for _, c := range conditions() {
		probes = append(probes, ask("read."+c.name, func(p *P) { readInCondition(p, c) }))
	}
	return append(probes,
		ask("read.forwards_from_end", readForwardsFromEnd),
		ask("read.counts", readCounts),
		ask("read.revisions", readRevisions),
		slow("read.pages", 20e9, readPages),
		ask("read.fields", readEventFields),
		ask("read.tombstone_event", readTombstoneEvent),
		ask("read.deleted_mark", readDeletedMark),
	)
}

func readInCondition(p *P, c condition) {
	stream := p.S("s")
	c.make(p, stream)
	for _, r := range []struct {
		name    string
		options kurrentdb.ReadStreamOptions
	}{
		{"forwards from start", forwards(kurrentdb.Start{})}, {"forwards from 1", forwards(kurrentdb.Revision(1))}, {"forwards from 7", forwards(kurrentdb.Revision(7))},
		{"backwards from end", backwards(kurrentdb.End{})}, {"backwards from 0", backwards(kurrentdb.Revision(0))}, {"backwards from 7", backwards(kurrentdb.Revision(7))},
		{"backwards from start", backwards(kurrentdb.Start{})},
	} {
		p.Note(r.name, p.Read(stream, r.options, 5, p.briefly))
	}
	p.Note("metadata", p.Metadata(stream))
	p.Note("metadata forwards", p.Read("$$"+stream, forwards(kurrentdb.Start{}), 5, p.briefly))
}

func readForwardsFromEnd(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.Note("existing", p.Read(p.S("s"), forwards(kurrentdb.End{}), 5, p.briefly))
	p.Note("absent", p.Read(p.S("t"), forwards(kurrentdb.End{}), 5, p.briefly))
}

func readCounts(p *P) {
	stream := p.S("s")
	p.Seed(stream, numbered("n", 5)...)
	for _, count := range []uint64{0, 1, 2, 5, 6, 1 << 20, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		p.Note(fmt.Sprint("forwards ", count), len(p.Read(stream, forwards(kurrentdb.Start{}), count, p.briefly))-1)
		p.Note(fmt.Sprint("backwards ", count), len(p.Read(stream, backwards(kurrentdb.End{}), count, p.briefly))-1)
	}
	p.Note("zero", p.Read(stream, forwards(kurrentdb.Start{}), 0, p.briefly))
	p.Note("zero of absent", p.Read(p.S("t"), forwards(kurrentdb.Start{}), 0, p.briefly))
	p.Note("largest", p.Read(stream, forwards(kurrentdb.Start{}), math.MaxUint64, p.briefly))
}

func readRevisions(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c")
	for _, from := range []uint64{0, 2, 3, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
		p.Note(fmt.Sprint("forwards ", from), p.Read(stream, forwards(kurrentdb.Revision(from)), 5, p.briefly))
		p.Note(fmt.Sprint("backwards ", from), p.Read(stream, backwards(kurrentdb.Revision(from)), 5, p.briefly))
	}
}

// readPages reads in pages of 256, as the product does.
func readPages(p *P) {
	stream := p.S("s")
	p.Seed(stream, numbered("n", 600)...)
	for from := uint64(0); from <= 768; from += 256 {
		seen := p.Read(stream, forwards(kurrentdb.Revision(from)), 256, p.briefly)
		p.Note(fmt.Sprint("from ", from), list{len(seen) - 1, seen[0], seen[len(seen)-1]})
	}
}

func readEventFields(p *P) {
	e := p.Ev("a")
	e.Metadata = []byte(`{"m":1}`)
	p.Must("seed", p.appended(p.S("s-x"), e))
	p.Note("forwards", p.Read(p.S("s-x"), forwards(kurrentdb.Start{}), 1, p.fullyResolved))
	p.Note("backwards, resolving", p.Read(p.S("s-x"), resolving(backwards(kurrentdb.End{})), 1, p.fullyResolved))
}

func readTombstoneEvent(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a")
	p.seedTombstone(stream)
	p.Note("backwards", p.Read(stream, backwards(kurrentdb.End{}), 1, p.fullyResolved))
	p.Note("at the end of time", p.Read(stream, forwards(kurrentdb.Revision(math.MaxInt64)), 1, p.fullyResolved))
	p.Note("metadata", p.Read("$$"+stream, forwards(kurrentdb.Start{}), 1, p.fullyResolved))
}

// readDeletedMark finds what distinguishes a softly deleted stream from an absent one.
func readDeletedMark(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a")
	p.seedDelete(stream)
	p.Note("metadata", p.Read("$$"+stream, backwards(kurrentdb.End{}), 1, p.fullyResolved))
}
