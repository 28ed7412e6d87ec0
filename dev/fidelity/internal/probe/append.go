package probe

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

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
			probes = append(probes, ask("append."+c.name+"."+e.name, func(p *P) {
				stream := p.S("s")
				c.make(p, stream)
				p.Note("append", p.Append(stream, e.state, p.Ev("new")))
				p.Note("then", p.History(stream))
				p.Note("metadata", p.Metadata(stream))
			}))
		}
	}
	return probes
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
		probes = append(probes, ask("idempotent."+c.name, func(p *P) {
			stream := p.S("s")
			p.Note("before", p.Append(stream, anything, p.Evs(c.before...)...))
			p.Note("again", p.Append(stream, c.state, p.Evs(c.again...)...))
			p.Note("then", p.History(stream))
		}))
	}
	return append(probes,
		ask("idempotent.other_data", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b")
			other := p.Ev("b")
			other.Data, other.EventType = []byte(`{"other":true}`), "othertype"
			p.Note("at 0", p.Append(stream, kurrentdb.Revision(0), other))
			p.Note("any", p.Append(stream, anything, other))
			p.Note("then", p.Read(stream, forwards(kurrentdb.Revision(1)), 5, func(e *kurrentdb.ResolvedEvent) any { return p.fully(e.Event) }))
		}),
		ask("idempotent.other_stream", func(p *P) {
			p.Seed(p.S("s"), "a")
			p.Note("any", p.Append(p.S("t"), anything, p.Ev("a")))
			p.Note("no stream", p.Append(p.S("u"), none, p.Ev("a")))
			p.Note("then", p.History(p.S("t")))
		}),
		ask("idempotent.twice_in_one", func(p *P) {
			p.Note("no stream", p.Append(p.S("s"), none, p.Ev("a"), p.Ev("a")))
			p.Note("again", p.Append(p.S("s"), none, p.Ev("a"), p.Ev("a")))
			p.Note("any", p.Append(p.S("t"), anything, p.Ev("b"), p.Ev("b")))
			p.Note("then", p.History(p.S("s")))
		}),
		ask("idempotent.after_delete", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b")
			p.seedDelete(stream)
			p.Note("no stream", p.Append(stream, none, p.Evs("a", "b")...))
			p.Note("then", p.History(stream))
		}),
		ask("idempotent.after_delete.any", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b")
			p.seedDelete(stream)
			p.Note("any", p.Append(stream, anything, p.Evs("a", "b")...))
			p.Note("then", p.History(stream))
		}),
		ask("idempotent.after_delete.exact", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b")
			p.seedDelete(stream)
			p.Note("at 0", p.Append(stream, at(0), p.Ev("b")))
			p.Note("then", p.History(stream))
		}),
		ask("idempotent.after_truncation", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b", "c")
			p.seedMetadata(stream, `{"$tb":2}`)
			p.Note("no stream", p.Append(stream, none, p.Evs("a", "b")...))
			p.Note("at 0", p.Append(stream, at(0), p.Ev("b")))
			p.Note("then", p.History(stream))
		}),
		ask("idempotent.long_ago", func(p *P) { // as the product repeats a step at an exact revision, whatever was appended since
			stream := p.S("s")
			p.Seed(stream, numbered("n", 300)...)
			p.Note("no stream", p.Append(stream, none, p.Ev("n0")))
			p.Note("at 100", p.Append(stream, at(100), p.Ev("n101")))
			p.Note("any", p.Append(stream, anything, p.Ev("n50")))
			p.Note("at 100, other", p.Append(stream, at(100), p.Ev("x")))
		}),
	)
}

// contentProbes are about the permitted content of an event.
func contentProbes() (probes []probe) {
	const json, binary = kurrentdb.ContentTypeJson, kurrentdb.ContentTypeBinary
	type content struct {
		name string
		edit func(e *kurrentdb.EventData)
	}
	for _, c := range []content{
		{"empty_data", func(e *kurrentdb.EventData) { e.Data = nil }},
		{"empty_data.binary", func(e *kurrentdb.EventData) { e.Data, e.ContentType = nil, binary }},
		{"not_json", func(e *kurrentdb.EventData) { e.Data = []byte("not json {") }},
		{"not_utf8", func(e *kurrentdb.EventData) { e.Data = []byte{0xff, 0xfe, 0} }},
		{"binary", func(e *kurrentdb.EventData) { e.Data, e.ContentType = []byte{0, 1, 2, 0xff}, binary }},
		{"json_spacing", func(e *kurrentdb.EventData) { e.Data = []byte("{ \"b\" : 1.50,\n \"a\":\"\\u00e9\", \"a\":2 }\n") }},
		{"json_scalar", func(e *kurrentdb.EventData) { e.Data = []byte("17") }},
		{"bom", func(e *kurrentdb.EventData) { e.Data = []byte("\xef\xbb\xbf{\"a\":1}") }},
		{"metadata", func(e *kurrentdb.EventData) {
			e.Metadata = []byte(`{"$correlationId":"c-1","$causationId":"00000000-0000-0000-0000-000000000001","traceparent":"00-ab-cd-01"}`)
		}},
		{"metadata.not_json", func(e *kurrentdb.EventData) { e.Metadata = []byte("not json") }},
		{"metadata.binary", func(e *kurrentdb.EventData) { e.Metadata = []byte{0xff, 0} }},
		{"metadata.empty_object", func(e *kurrentdb.EventData) { e.Metadata = []byte("{}") }},
		{"type.spaces", func(e *kurrentdb.EventData) { e.EventType = " two words " }},
		{"type.unicode", func(e *kurrentdb.EventData) { e.EventType = "Größe→日本" }},
		{"type.empty", func(e *kurrentdb.EventData) { e.EventType = "" }},
		{"type.dollar", func(e *kurrentdb.EventData) { e.EventType = "$mine" }},
		{"type.long", func(e *kurrentdb.EventData) { e.EventType = strings.Repeat("t", 1000) }},
		{"type.streamdeleted", func(e *kurrentdb.EventData) { e.EventType = "$streamDeleted" }},
		{"id.nil", func(e *kurrentdb.EventData) { e.EventID = uuid.Nil }}, // the client generates one
		{"size.1MiB", func(e *kurrentdb.EventData) { e.Data = jsonOf(1 << 20) }},
		{"size.4MiB", func(e *kurrentdb.EventData) { e.Data = jsonOf(4 << 20) }},
		{"size.5MiB", func(e *kurrentdb.EventData) { e.Data = jsonOf(5 << 20) }},
		{"size.15MiB", func(e *kurrentdb.EventData) { e.Data = jsonOf(15<<20 - 2*len(plainType)) }}, // the product's limit
		{"size.over16MiB", func(e *kurrentdb.EventData) { e.Data = jsonOf(16<<20 - 1000); e.ContentType = json }},
		{"size.17MiB", func(e *kurrentdb.EventData) { e.Data = jsonOf(17 << 20) }},
		{"size.metadata1MiB", func(e *kurrentdb.EventData) { e.Metadata = jsonOf(1 << 20) }},
	} {
		probes = append(probes, slow("content."+c.name, 30e9, func(p *P) {
			stream := p.S("s")
			e := p.Ev("a")
			c.edit(&e)
			p.Note("append", p.Append(stream, kurrentdb.NoStream{}, e))
			p.Note("then", p.Read(stream, forwards(kurrentdb.Start{}), 5, p.fullyResolved))
		}))
	}
	return append(probes,
		ask("content.none", func(p *P) {
			p.Note("no stream", p.Append(p.S("s"), kurrentdb.NoStream{}))
			p.Note("then", p.History(p.S("s")))
			p.Note("any", p.Append(p.S("t"), kurrentdb.Any{}))
			p.Note("exists", p.Append(p.S("u"), kurrentdb.StreamExists{}))
			p.Seed(p.S("v"), "a", "b")
			p.Note("any, existing", p.Append(p.S("v"), kurrentdb.Any{}))
			p.Note("at 1, existing", p.Append(p.S("v"), kurrentdb.Revision(1)))
			p.Note("at 0, existing", p.Append(p.S("v"), kurrentdb.Revision(0)))
			p.Note("no stream, existing", p.Append(p.S("v"), kurrentdb.NoStream{}))
			p.Note("then, existing", p.History(p.S("v")))
		}),
		ask("content.several", func(p *P) {
			p.Note("append", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Evs("a", "b", "c", "d", "e")...))
			p.Note("then", p.Read(p.S("s"), forwards(kurrentdb.Start{}), 9, p.fullyResolved))
		}),
		slow("content.thousand", 20e9, func(p *P) { // the product's limit
			p.Note("append", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Evs(numbered("n", 1000)...)...))
			p.Note("again", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Evs(numbered("n", 1000)...)...))
			p.Note("last", p.Read(p.S("s"), backwards(kurrentdb.End{}), 1, p.briefly))
		}),
		slow("content.size.total20MiB", 30e9, func(p *P) {
			events := p.Evs(numbered("n", 20)...)
			for i := range events {
				events[i].Data = jsonOf(1 << 20)
			}
			p.Note("append", p.Append(p.S("s"), kurrentdb.NoStream{}, events...))
			p.Note("then", p.History(p.S("s")))
		}),
		slow("content.size.page", 30e9, func(p *P) { // many big events in one read
			for i := range 8 {
				e := p.Ev(fmt.Sprint("n", i))
				e.Data = jsonOf(2 << 20)
				p.Must("seed", p.appended(p.S("s"), e))
			}
			p.Note("read", p.Read(p.S("s"), forwards(kurrentdb.Start{}), 256, p.briefly))
			p.Note("read backwards", p.Read(p.S("s"), backwards(kurrentdb.End{}), 256, p.briefly))
		}),
	)
}

func (p *P) appended(stream string, e kurrentdb.EventData) error {
	_, err := p.appendTo(stream, kurrentdb.Any{}, e)
	return err
}

// jsonOf returns a JSON string of exactly n bytes.
func jsonOf(n int) []byte {
	data := bytes.Repeat([]byte("x"), n)
	data[0], data[n-1] = '"', '"'
	return data
}

// nameProbes are about names of streams.
func nameProbes() (probes []probe) {
	const prefixLength = 100 // enough for any probe's prefix
	for _, c := range []struct {
		name   string
		stream func(p *P) string
	}{
		{"dashes", func(p *P) string { return p.S("order-a-b-c") }},
		{"unicode", func(p *P) string { return p.S("größe-日本") }},
		{"slash", func(p *P) string { return p.S("a/b\\c?d=e&f#g%20h") }},
		{"spaces", func(p *P) string { return p.S(" a b ") }},
		{"at", func(p *P) string { return p.S("a@b::c") }},
		{"newline", func(p *P) string { return p.S("a\nb\tc") }},
		{"quote", func(p *P) string { return p.S(`a"b'c`) }},
		{"not_utf8", func(p *P) string { return p.S("a\xffb") }},
		{"long300", func(p *P) string { return p.S(strings.Repeat("l", 300-len(p.prefix))) }},
		{"long5000", func(p *P) string { return p.S(strings.Repeat("l", 5000-prefixLength)) }},
		{"system", func(p *P) string { return "$" + p.S("mine") }},
		{"system.ce", func(p *P) string { return "$ce-" + p.S("mine") }},
		{"system.et", func(p *P) string { return "$et-" + p.S("mine") }},
		{"metastream", func(p *P) string { return "$$" + p.S("s") }},
		{"metametastream", func(p *P) string { return "$$$$" + p.S("s") }},
		{"metasystem", func(p *P) string { return "$$$" + p.S("s") }},
		{"empty", func(*P) string { return "" }},
		{"dollars", func(*P) string { return "$$" }},
	} {
		probes = append(probes, ask("name."+c.name, func(p *P) {
			stream := c.stream(p)
			p.Note("append", p.Append(stream, kurrentdb.Any{}, p.Ev("a")))
			p.Note("read", p.Read(stream, forwards(kurrentdb.Start{}), 3, p.briefly))
			p.Note("read metadata", p.Read("$$"+stream, forwards(kurrentdb.Start{}), 3, p.briefly))
			p.Note("delete", p.Delete(stream, kurrentdb.Any{}))
			p.Note("read after", p.Read(stream, forwards(kurrentdb.Start{}), 3, p.briefly))
			p.Note("tombstone", p.Tombstone(stream, kurrentdb.Any{}))
			p.Note("read at last", p.Read(stream, forwards(kurrentdb.Start{}), 3, p.briefly))
		}))
	}
	return append(probes, ask("name.all", func(p *P) { // not deleted: there is only one
		if result, err := p.appendTo("$all", kurrentdb.Any{}, p.Ev("a")); err != nil {
			p.Note("append", p.failure(err))
		} else {
			p.Note("append", fmt.Sprintf("taken: %t", result.CommitPosition > 0))
		}
		seen := p.Read("$all", forwards(kurrentdb.Start{}), 1, func(*kurrentdb.ResolvedEvent) any { return "an event" })
		p.Note("read", seen)
		seen = p.Read("$$$all", forwards(kurrentdb.Start{}), 1, func(*kurrentdb.ResolvedEvent) any { return "an event" })
		p.Note("read metadata", seen)
	}), ask("name.case", func(p *P) {
		p.Seed(p.S("Case"), "a")
		p.Note("other case", p.Append(p.S("case"), kurrentdb.NoStream{}, p.Ev("b")))
	}))
}
