package probe

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// contentProbes are about the permitted content of an event.
func contentProbes() (probes []probe) {
	const json, binary = kurrentdb.ContentTypeJson, kurrentdb.ContentTypeBinary
	for _, c := range []struct {
		name string
		edit func(e *kurrentdb.EventData)
	}{
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
		probes = append(probes, slow("content."+c.name, 30e9, func(p *P) { appendContent(p, c.edit) }))
	}
	return append(probes,
		ask("content.none", appendNoEvents),
		ask("content.several", appendSeveralEvents),
		slow("content.thousand", 20e9, appendThousandEvents),
		slow("content.size.total20MiB", 30e9, appendTwentyMiB),
		slow("content.size.page", 30e9, readBigEvents),
	)
}

func appendContent(p *P, edit func(e *kurrentdb.EventData)) {
	stream := p.S("s")
	e := p.Ev("a")
	edit(&e)
	p.Note("append", p.Append(stream, kurrentdb.NoStream{}, e))
	p.Note("then", p.Read(stream, forwards(kurrentdb.Start{}), 5, p.fullyResolved))
}

func appendNoEvents(p *P) {
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
}

func appendSeveralEvents(p *P) {
	p.Note("append", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Evs("a", "b", "c", "d", "e")...))
	p.Note("then", p.Read(p.S("s"), forwards(kurrentdb.Start{}), 9, p.fullyResolved))
}

// appendThousandEvents appends as many events as the product permits.
func appendThousandEvents(p *P) {
	p.Note("append", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Evs(numbered("n", 1000)...)...))
	p.Note("again", p.Append(p.S("s"), kurrentdb.NoStream{}, p.Evs(numbered("n", 1000)...)...))
	p.Note("last", p.Read(p.S("s"), backwards(kurrentdb.End{}), 1, p.briefly))
}

func appendTwentyMiB(p *P) {
	events := p.Evs(numbered("n", 20)...)
	for i := range events {
		events[i].Data = jsonOf(1 << 20)
	}
	p.Note("append", p.Append(p.S("s"), kurrentdb.NoStream{}, events...))
	p.Note("then", p.History(p.S("s")))
}

// readBigEvents reads many big events in one page.
func readBigEvents(p *P) {
	for i := range 8 {
		e := p.Ev(fmt.Sprint("n", i))
		e.Data = jsonOf(2 << 20)
		p.Must("seed", p.appended(p.S("s"), e))
	}
	p.Note("read", p.Read(p.S("s"), forwards(kurrentdb.Start{}), 256, p.briefly))
	p.Note("read backwards", p.Read(p.S("s"), backwards(kurrentdb.End{}), 256, p.briefly))
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
		probes = append(probes, ask("name."+c.name, func(p *P) { useStreamName(p, c.stream(p)) }))
	}
	return append(probes,
		ask("name.all", appendToAll),
		ask("name.case", streamNameCase),
	)
}

func useStreamName(p *P, stream string) {
	p.Note("append", p.Append(stream, kurrentdb.Any{}, p.Ev("a")))
	p.Note("read", p.Read(stream, forwards(kurrentdb.Start{}), 3, p.briefly))
	p.Note("read metadata", p.Read("$$"+stream, forwards(kurrentdb.Start{}), 3, p.briefly))
	p.Note("delete", p.Delete(stream, kurrentdb.Any{}))
	p.Note("read after", p.Read(stream, forwards(kurrentdb.Start{}), 3, p.briefly))
	p.Note("tombstone", p.Tombstone(stream, kurrentdb.Any{}))
	p.Note("read at last", p.Read(stream, forwards(kurrentdb.Start{}), 3, p.briefly))
}

// appendToAll uses $all as a stream. It is not deleted: there is only one.
func appendToAll(p *P) {
	if result, err := p.appendTo("$all", kurrentdb.Any{}, p.Ev("a")); err != nil {
		p.Note("append", p.failure(err))
	} else {
		p.Note("append", fmt.Sprintf("taken: %t", result.CommitPosition > 0))
	}
	seen := p.Read("$all", forwards(kurrentdb.Start{}), 1, func(*kurrentdb.ResolvedEvent) any { return "an event" })
	p.Note("read", seen)
	seen = p.Read("$$$all", forwards(kurrentdb.Start{}), 1, func(*kurrentdb.ResolvedEvent) any { return "an event" })
	p.Note("read metadata", seen)
}

// streamNameCase finds whether names that differ in case are those of different streams.
func streamNameCase(p *P) {
	p.Seed(p.S("Case"), "a")
	p.Note("other case", p.Append(p.S("case"), kurrentdb.NoStream{}, p.Ev("b")))
}
