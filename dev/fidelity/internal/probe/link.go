package probe

import (
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// fate is what happened to a stream with the events a, b, c after links to them were
// written.
type fate struct {
	name string
	meet func(p *P, stream string)
}

func fates() []fate {
	return []fate{
		{"live", func(*P, string) {}},
		{"softdeleted", func(p *P, s string) { p.seedDelete(s) }},
		{"tombstoned", func(p *P, s string) { p.seedTombstone(s) }},
		{"truncated", func(p *P, s string) { p.seedMetadata(s, `{"$tb":2}`) }},
		{"maxcount", func(p *P, s string) { p.seedMetadata(s, `{"$maxCount":1}`) }},
		{"undeleted", func(p *P, s string) { p.seedDelete(s); p.Seed(s, "d") }},
		{"expired", func(p *P, s string) { p.seedMetadata(s, `{"$maxAge":1}`); p.Sleep(2500 * time.Millisecond) }},
	}
}

// linkProbes are about $> events: those of the system projections, and those written
// manually.
func linkProbes() (probes []probe) {
	start, end := kurrentdb.Start{}, kurrentdb.End{}
	for _, f := range fates() {
		probes = append(probes, slow("link.category."+f.name, 20e9, func(p *P) {
			stream, category := p.S("order-1"), "$ce-"+p.S("order")
			p.Seed(stream, "a", "b", "c")
			p.Note("filled", p.awaitEvents(category, 3))
			f.meet(p, stream)
			p.awaitQuiet(category)
			p.Note("resolved", p.Read(category, resolving(forwards(start)), 20, p.briefly))
			p.Note("unresolved", p.Read(category, forwards(start), 20, p.linkly))
			p.Note("backwards", p.Read(category, resolving(backwards(end)), 20, p.briefly))
		}))
		probes = append(probes, slow("link.byhand."+f.name, 20e9, func(p *P) {
			p.Seed(p.S("s"), "a", "b", "c")
			for i, target := range []string{"0", "1", "2"} {
				p.seedLink(p.S("links"), []string{"l0", "l1", "l2"}[i], target+"@"+p.S("s"))
			}
			f.meet(p, p.S("s"))
			p.Note("resolved", p.Read(p.S("links"), resolving(forwards(start)), 20, p.fullyResolved))
		}))
	}
	return append(probes,
		ask("link.category.bytes", func(p *P) { // the link itself, field by field
			e := p.Ev("a")
			e.Metadata = []byte(`{"$correlationId":"corr-1","mine":2}`)
			p.Must("seed", p.appended(p.S("order-1"), e))
			category := "$ce-" + p.S("order")
			p.Note("filled", p.awaitEvents(category, 1))
			p.Note("unresolved", p.Read(category, forwards(start), 5, p.fullyResolved))
			p.Note("resolved", p.Read(category, resolving(forwards(start)), 5, p.fullyResolved))
		}),
		ask("link.category.order", func(p *P) { // the order of the log, over several streams and appends
			p.Seed(p.S("order-1"), "a", "b")
			p.Seed(p.S("order-2"), "c")
			p.Seed(p.S("order-1"), "d")
			category := "$ce-" + p.S("order")
			p.Note("filled", p.awaitEvents(category, 4))
			p.Note("unresolved", p.Read(category, forwards(start), 20, p.linkly))
		}),
		slow("link.category.names", 20e9, func(p *P) { // which stream belongs where
			for i, name := range []string{"order-a-b-c", "nodash", "tail-", "a--b", "größe-1", "x y-z", "-lead"} {
				p.Seed(p.S(name), numbered("n", 9)[i])
			}
			p.Sleep(2 * p.quiet)
			for _, category := range []string{"order", "order-a", "nodash", "tail", "a", "größe", "x y", "", "-lead", "lead"} {
				p.Note(category, p.Read("$ce-"+p.S(category), forwards(start), 5, p.linkly))
			}
		}),
		ask("link.category.leading_dash", func(p *P) {
			p.Seed("-"+p.S("lead"), "a")
			p.Sleep(2 * p.quiet)
			p.Note("of nothing", p.Read("$ce--"+p.S("lead"), forwards(start), 5, p.linkly))
		}),
		ask("link.category.system_stream", func(p *P) {
			p.Seed("$"+p.S("sys-1"), "a")
			p.Sleep(2 * p.quiet)
			p.Note("category", p.Read("$ce-$"+p.S("sys"), forwards(start), 5, p.linkly))
		}),
		ask("link.category.absent", func(p *P) {
			p.Note("never", p.Read("$ce-"+p.S("never"), resolving(forwards(start)), 5, p.briefly))
		}),
		ask("link.category.metadata_write", func(p *P) { // whether a metadata event gets a link
			p.Seed(p.S("order-1"), "a")
			p.seedMetadata(p.S("order-1"), `{"mine":1}`)
			p.seedMetadata(p.S("order-2"), `{"mine":1}`)
			p.Seed(p.S("order-3"), "z")
			category := "$ce-" + p.S("order")
			p.awaitEvents(category, 2)
			p.awaitQuiet(category)
			p.Note("unresolved", p.Read(category, forwards(start), 20, p.linkly))
		}),
		ask("link.category.link_in_category", func(p *P) { // a link in a stream of a category
			p.Seed(p.S("s"), "a")
			p.seedLink(p.S("order-1"), "l", "0@"+p.S("s"))
			category := "$ce-" + p.S("order")
			p.awaitEvents(category, 1)
			p.Note("unresolved", p.Read(category, forwards(start), 20, p.linkly))
			p.Note("resolved", p.Read(category, resolving(forwards(start)), 20, p.briefly))
		}),
		ask("link.category.binary_event", func(p *P) {
			e := p.Ev("a")
			e.ContentType, e.Data = kurrentdb.ContentTypeBinary, []byte{0, 0xff}
			p.Must("seed", p.appended(p.S("order-1"), e))
			e = p.Ev("b")
			e.Data = []byte("not json")
			p.Must("seed", p.appended(p.S("order-1"), e))
			p.Seed(p.S("order-1"), "c")
			category := "$ce-" + p.S("order")
			p.awaitEvents(category, 3)
			p.Note("unresolved", p.Read(category, forwards(start), 20, p.linkly))
		}),
		ask("link.category.metadata", func(p *P) { // the metadata of a stream that the server fills
			p.Seed(p.S("order-1"), "a")
			category := "$ce-" + p.S("order")
			p.awaitEvents(category, 1)
			p.Note("metadata", p.Metadata(category))
		}),
		ask("link.type.bytes", func(p *P) {
			p.SeedOf(p.T("placed"), p.S("order-1"), "a")
			p.SeedOf(p.T("placed"), p.S("plain"), "b")
			byType := "$et-" + p.T("placed")
			p.Note("filled", p.awaitEvents(byType, 2))
			p.Note("unresolved", p.Read(byType, forwards(start), 5, p.fullyResolved))
			p.Note("resolved", p.Read(byType, resolving(forwards(start)), 5, p.briefly))
			p.Note("metadata", p.Metadata(byType))
		}),
		ask("link.type.deleted", func(p *P) {
			p.SeedOf(p.T("placed"), p.S("order-1"), "a")
			p.awaitEvents("$et-"+p.T("placed"), 1)
			p.seedTombstone(p.S("order-1"))
			p.Sleep(p.quiet)
			p.Note("resolved", p.Read("$et-"+p.T("placed"), resolving(forwards(start)), 5, p.briefly))
			p.Note("of deleted", p.Read("$et-$deleted", backwards(end), 30, p.mineOnly))
		}),
		slow("link.streams", 15e9, func(p *P) {
			p.Seed(p.S("order-1"), "a", "b")
			p.seedMetadata(p.S("order-1"), `{"mine":1}`)
			p.Sleep(2 * p.quiet)
			p.Note("newest", p.Read("$streams", backwards(end), 30, p.mineOnly))
		}),
		slow("link.category_of_streams", 15e9, func(p *P) {
			p.Seed(p.S("order-1"), "a", "b")
			p.Seed(p.S("order-2"), "c")
			p.Sleep(2 * p.quiet)
			p.Note("streams", p.Read("$category-"+p.S("order"), forwards(start), 5, func(e *kurrentdb.ResolvedEvent) any { return p.fully(e.Event) }))
		}),
		ask("link.byhand.odd", func(p *P) {
			p.Seed(p.S("s"), "a")
			for i, target := range []string{"0@" + p.S("s"), "0@" + p.S("absent"), "7@" + p.S("s"), "x@" + p.S("s"), "0", "", "0@", "-1@" + p.S("s"), "0@$$" + p.S("s"), " 0@" + p.S("s"), "9223372036854775807@" + p.S("s"), "0@" + p.S("links")} {
				p.seedLink(p.S("links"), numbered("l", 20)[i], target)
			}
			p.Note("resolved", p.Read(p.S("links"), resolving(forwards(start)), 20, p.briefly))
			p.Note("unresolved", p.Read(p.S("links"), forwards(start), 20, p.linkly))
		}),
		ask("link.byhand.json", func(p *P) { // a link that is flagged as JSON
			p.Seed(p.S("s"), "a")
			e := kurrentdb.EventData{EventID: p.ID("l"), EventType: "$>", ContentType: kurrentdb.ContentTypeJson, Data: []byte("0@" + p.S("s"))}
			p.Must("link", p.appended(p.S("links"), e))
			p.Note("resolved", p.Read(p.S("links"), resolving(forwards(start)), 20, p.fullyResolved))
		}),
		ask("link.byhand.to_link", func(p *P) {
			p.Seed(p.S("s"), "a")
			p.seedLink(p.S("links"), "l", "0@"+p.S("s"))
			p.seedLink(p.S("more"), "m", "0@"+p.S("links"))
			p.Note("resolved", p.Read(p.S("more"), resolving(forwards(start)), 20, p.briefly))
		}),
		ask("link.byhand.links_truncated", func(p *P) { // the links themselves are gone, not their targets
			p.Seed(p.S("s"), "a", "b")
			p.seedLink(p.S("links"), "l0", "0@"+p.S("s"))
			p.seedLink(p.S("links"), "l1", "1@"+p.S("s"))
			p.seedMetadata(p.S("links"), `{"$tb":1}`)
			p.Note("resolved", p.Read(p.S("links"), resolving(forwards(start)), 20, p.briefly))
		}),
	)
}

// linkly returns a link in a line, with its target.
func (p *P) linkly(e *kurrentdb.ResolvedEvent) any {
	original := e.OriginalEvent()
	return p.brief(original) + " = " + p.show(original.Data)
}

// mineOnly returns links to the probe's own streams, nil for others.
func (p *P) mineOnly(e *kurrentdb.ResolvedEvent) any {
	if text := p.show(e.OriginalEvent().Data); len(text) > 0 && contains(text, "~") {
		return e.OriginalEvent().EventType + " = " + text + " metadata " + p.show(e.OriginalEvent().UserMetadata)
	}
	return nil
}

// awaitQuiet waits until the server has stopped adding to a stream it fills.
func (p *P) awaitQuiet(stream string) {
	last, since := -1, time.Now()
	p.Until(5*time.Second, func() bool {
		n := len(p.Read(stream, forwards(kurrentdb.Start{}), 1000, p.briefly))
		if n != last {
			last, since = n, time.Now()
		}
		return time.Since(since) >= p.quiet
	})
}
