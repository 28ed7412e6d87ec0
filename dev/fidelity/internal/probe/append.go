package probe

import "github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

// condition is a state of a stream before an operation on it.
type condition struct {
	name string
	make func(p *P, stream string)
}

func conditions() []condition {
	return []condition{
		{"absent", func(*P, string) {}},
		{"existing", func(p *P, s string) { p.Seed(s, "a", "b") }},
		{"softdeleted", func(p *P, s string) { p.Seed(s, "a", "b"); p.seedDelete(s) }},
		{"tombstoned", func(p *P, s string) { p.Seed(s, "a", "b"); p.seedTombstone(s) }},
		{"metadataonly", func(p *P, s string) { p.seedMetadata(s, `{"$maxCount":9}`) }},
		{"truncated", func(p *P, s string) { p.Seed(s, "a", "b"); p.seedMetadata(s, `{"$tb":2}`) }},
		{"undeleted", func(p *P, s string) { p.Seed(s, "a", "b"); p.seedDelete(s); p.Seed(s, "c") }},
	}
}

type expectation struct {
	name  string
	state kurrentdb.StreamState
}

func expectations() []expectation {
	return []expectation{
		{"any", kurrentdb.Any{}},
		{"nostream", kurrentdb.NoStream{}},
		{"exists", kurrentdb.StreamExists{}},
		{"at0", kurrentdb.Revision(0)},
		{"at1", kurrentdb.Revision(1)},
		{"at2", kurrentdb.Revision(2)},
		{"at9", kurrentdb.Revision(9)},
	}
}

// appendProbes append one new event, with every expectation, to a stream in every
// condition.
func appendProbes() (probes []probe) {
	for _, c := range conditions() {
		for _, e := range expectations() {
			probes = append(probes, ask("append."+c.name+"."+e.name, func(p *P) { appendInCondition(p, c, e) }))
		}
	}
	return probes
}

func appendInCondition(p *P, c condition, e expectation) {
	stream := p.S("s")
	c.make(p, stream)
	p.Note("append", p.Append(stream, e.state, p.Ev("new")))
	p.Note("then", p.History(stream))
	p.Note("metadata", p.Metadata(stream))
}

// idempotencyProbes append the same ids again.
func idempotencyProbes() (probes []probe) {
	anything, exists, none := kurrentdb.Any{}, kurrentdb.StreamExists{}, kurrentdb.NoStream{}
	at := kurrentdb.Revision
	for _, c := range []struct {
		name   string
		before []string
		state  kurrentdb.StreamState
		again  []string
	}{
		{"any.all", []string{"a", "b"}, anything, []string{"a", "b"}},
		{"any.first", []string{"a", "b"}, anything, []string{"a"}},
		{"any.last", []string{"a", "b"}, anything, []string{"b"}},
		{"any.reversed", []string{"a", "b"}, anything, []string{"b", "a"}},
		{"any.old_then_new", []string{"a", "b"}, anything, []string{"b", "c"}},
		{"any.new_then_old", []string{"a", "b"}, anything, []string{"c", "b"}},
		{"any.all_then_new", []string{"a", "b"}, anything, []string{"a", "b", "c"}},
		{"any.after_more", []string{"a", "b", "c"}, anything, []string{"a"}},
		{"exists.all", []string{"a", "b"}, exists, []string{"a", "b"}},
		{"exists.old_then_new", []string{"a", "b"}, exists, []string{"b", "c"}},
		{"nostream.all", []string{"a", "b"}, none, []string{"a", "b"}},
		{"nostream.first", []string{"a", "b"}, none, []string{"a"}},
		{"nostream.last", []string{"a", "b"}, none, []string{"b"}},
		{"nostream.all_then_new", []string{"a", "b"}, none, []string{"a", "b", "c"}},
		{"nostream.other", []string{"a", "b"}, none, []string{"x", "y"}},
		{"at0.rest", []string{"a", "b", "c"}, at(0), []string{"b", "c"}},
		{"at0.next", []string{"a", "b", "c"}, at(0), []string{"b"}},
		{"at0.next_then_new", []string{"a", "b"}, at(0), []string{"b", "c"}},
		{"at0.next_then_other", []string{"a", "b", "c"}, at(0), []string{"b", "x"}},
		{"at0.later", []string{"a", "b", "c"}, at(0), []string{"c"}},
		{"at0.other", []string{"a", "b"}, at(0), []string{"x"}},
		{"at1.same_as_last", []string{"a", "b"}, at(1), []string{"b"}},
		{"at1.all", []string{"a", "b"}, at(1), []string{"a", "b"}},
	} {
		probes = append(probes, ask("idempotent."+c.name, func(p *P) { appendAgain(p, c.before, c.state, c.again) }))
	}
	return append(probes,
		ask("idempotent.other_data", sameIDOtherData),
		ask("idempotent.other_stream", sameIDOtherStream),
		ask("idempotent.twice_in_one", sameIDTwiceInOneAppend),
		ask("idempotent.after_delete", appendAgainAfterDeleteNoStream),
		ask("idempotent.after_delete.any", appendAgainAfterDeleteAny),
		ask("idempotent.after_delete.exact", appendAgainAfterDeleteExact),
		ask("idempotent.after_truncation", appendAgainAfterTruncation),
		ask("idempotent.long_ago", appendAgainLongAfter),
	)
}

func appendAgain(p *P, before []string, state kurrentdb.StreamState, again []string) {
	stream := p.S("s")
	p.Note("before", p.Append(stream, kurrentdb.Any{}, p.Evs(before...)...))
	p.Note("again", p.Append(stream, state, p.Evs(again...)...))
	p.Note("then", p.History(stream))
}

func sameIDOtherData(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	other := p.Ev("b")
	other.Data, other.EventType = []byte(`{"other":true}`), "othertype"
	p.Note("at 0", p.Append(stream, kurrentdb.Revision(0), other))
	p.Note("any", p.Append(stream, kurrentdb.Any{}, other))
	p.Note("then", p.Read(stream, forwards(kurrentdb.Revision(1)), 5, func(e *kurrentdb.ResolvedEvent) any { return p.fully(e.Event) }))
}

func sameIDOtherStream(p *P) {
	p.Seed(p.S("s"), "a")
	p.Note("any", p.Append(p.S("t"), kurrentdb.Any{}, p.Ev("a")))
	p.Note("no stream", p.Append(p.S("u"), kurrentdb.NoStream{}, p.Ev("a")))
	p.Note("then", p.History(p.S("t")))
}

func sameIDTwiceInOneAppend(p *P) {
	p.Note("no stream", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Ev("a"), p.Ev("a")))
	p.Note("again", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Ev("a"), p.Ev("a")))
	p.Note("any", p.Append(p.S("t"), kurrentdb.Any{}, p.Ev("b"), p.Ev("b")))
	p.Note("then", p.History(p.S("s")))
}

func appendAgainAfterDeleteNoStream(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedDelete(stream)
	p.Note("no stream", p.Append(stream, kurrentdb.NoStream{}, p.Evs("a", "b")...))
	p.Note("then", p.History(stream))
}

func appendAgainAfterDeleteAny(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedDelete(stream)
	p.Note("any", p.Append(stream, kurrentdb.Any{}, p.Evs("a", "b")...))
	p.Note("then", p.History(stream))
}

func appendAgainAfterDeleteExact(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b")
	p.seedDelete(stream)
	p.Note("at 0", p.Append(stream, kurrentdb.Revision(0), p.Ev("b")))
	p.Note("then", p.History(stream))
}

func appendAgainAfterTruncation(p *P) {
	stream := p.S("s")
	p.Seed(stream, "a", "b", "c")
	p.seedMetadata(stream, `{"$tb":2}`)
	p.Note("no stream", p.Append(stream, kurrentdb.NoStream{}, p.Evs("a", "b")...))
	p.Note("at 0", p.Append(stream, kurrentdb.Revision(0), p.Ev("b")))
	p.Note("then", p.History(stream))
}

// appendAgainLongAfter repeats a step as the product does: at an exact revision, whatever
// was appended since.
func appendAgainLongAfter(p *P) {
	stream := p.S("s")
	p.Seed(stream, numbered("n", 300)...)
	p.Note("no stream", p.Append(stream, kurrentdb.NoStream{}, p.Ev("n0")))
	p.Note("at 100", p.Append(stream, kurrentdb.Revision(100), p.Ev("n101")))
	p.Note("any", p.Append(stream, kurrentdb.Any{}, p.Ev("n50")))
	p.Note("at 100, other", p.Append(stream, kurrentdb.Revision(100), p.Ev("x")))
}
