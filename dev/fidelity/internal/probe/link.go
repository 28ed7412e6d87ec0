package probe

import (
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// streamChange is what happens to a stream with the events a, b, c after links to them
// were written.
type streamChange struct {
	name  string
	apply func(p *P, stream string)
}

func streamChanges() []streamChange {
	return []streamChange{
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
	for _, change := range streamChanges() {
		probes = append(probes, slow("link.category."+change.name, 20e9, func(p *P) { readCategoryAfter(p, change) }))
		probes = append(probes, slow("link.byhand."+change.name, 20e9, func(p *P) { readLinksAfter(p, change) }))
	}
	return append(probes,
		ask("link.category.bytes", categoryLinkFields),
		ask("link.category.order", categoryLinkOrder),
		slow("link.category.names", 20e9, categoryOfStreamNames),
		ask("link.category.leading_dash", categoryOfLeadingDash),
		ask("link.category.system_stream", categoryOfSystemStream),
		ask("link.category.absent", readAbsentCategory),
		ask("link.category.metadata_write", metadataEventsInCategory),
		ask("link.category.link_in_category", linkEventsInCategory),
		ask("link.category.binary_event", binaryEventsInCategory),
		ask("link.category.metadata", metadataOfCategory),
		ask("link.type.bytes", typeLinkFields),
		ask("link.type.deleted", typeLinksToTombstoned),
		slow("link.streams", 15e9, linksInStreams),
		slow("link.category_of_streams", 15e9, streamsOfCategory),
		ask("link.byhand.odd", linksToOddTargets),
		ask("link.byhand.json", linkFlaggedJSON),
		ask("link.byhand.to_link", linkToLink),
		ask("link.byhand.links_truncated", truncatedLinks),
	)
}

// readCategoryAfter reads the system projection's links to a changed stream.
func readCategoryAfter(p *P, change streamChange) {
	stream, category := p.S("order-1"), "$ce-"+p.S("order")
	p.Seed(stream, "a", "b", "c")
	p.Note("filled", p.awaitEvents(category, 3))
	change.apply(p, stream)
	p.awaitQuiet(category)
	p.Note("resolved", p.Read(category, resolving(forwards(kurrentdb.Start{})), 20, p.briefly))
	p.Note("unresolved", p.Read(category, forwards(kurrentdb.Start{}), 20, p.linkly))
	p.Note("backwards", p.Read(category, resolving(backwards(kurrentdb.End{})), 20, p.briefly))
}

// readLinksAfter reads manually written links to a changed stream.
func readLinksAfter(p *P, change streamChange) {
	p.Seed(p.S("s"), "a", "b", "c")
	for i, target := range []string{"0", "1", "2"} {
		p.seedLink(p.S("links"), []string{"l0", "l1", "l2"}[i], target+"@"+p.S("s"))
	}
	change.apply(p, p.S("s"))
	p.Note("resolved", p.Read(p.S("links"), resolving(forwards(kurrentdb.Start{})), 20, p.fullyResolved))
}

// categoryLinkFields reads the link itself, field by field.
func categoryLinkFields(p *P) {
	e := p.Ev("a")
	e.Metadata = []byte(`{"$correlationId":"corr-1","mine":2}`)
	p.Must("seed", p.appended(p.S("order-1"), e))
	category := "$ce-" + p.S("order")
	p.Note("filled", p.awaitEvents(category, 1))
	p.Note("unresolved", p.Read(category, forwards(kurrentdb.Start{}), 5, p.fullyResolved))
	p.Note("resolved", p.Read(category, resolving(forwards(kurrentdb.Start{})), 5, p.fullyResolved))
}

// categoryLinkOrder finds the order of the log, over several streams and appends.
func categoryLinkOrder(p *P) {
	p.Seed(p.S("order-1"), "a", "b")
	p.Seed(p.S("order-2"), "c")
	p.Seed(p.S("order-1"), "d")
	category := "$ce-" + p.S("order")
	p.Note("filled", p.awaitEvents(category, 4))
	p.Note("unresolved", p.Read(category, forwards(kurrentdb.Start{}), 20, p.linkly))
}

// categoryOfStreamNames finds which stream belongs to which category.
func categoryOfStreamNames(p *P) {
	for i, name := range []string{"order-a-b-c", "nodash", "tail-", "a--b", "größe-1", "x y-z", "-lead"} {
		p.Seed(p.S(name), numbered("n", 9)[i])
	}
	p.Sleep(2 * p.quiet)
	for _, category := range []string{"order", "order-a", "nodash", "tail", "a", "größe", "x y", "", "-lead", "lead"} {
		p.Note(category, p.Read("$ce-"+p.S(category), forwards(kurrentdb.Start{}), 5, p.linkly))
	}
}

func categoryOfLeadingDash(p *P) {
	p.Seed("-"+p.S("lead"), "a")
	p.Sleep(2 * p.quiet)
	p.Note("of nothing", p.Read("$ce--"+p.S("lead"), forwards(kurrentdb.Start{}), 5, p.linkly))
}

func categoryOfSystemStream(p *P) {
	p.Seed("$"+p.S("sys-1"), "a")
	p.Sleep(2 * p.quiet)
	p.Note("category", p.Read("$ce-$"+p.S("sys"), forwards(kurrentdb.Start{}), 5, p.linkly))
}

func readAbsentCategory(p *P) {
	p.Note("never", p.Read("$ce-"+p.S("never"), resolving(forwards(kurrentdb.Start{})), 5, p.briefly))
}

// metadataEventsInCategory finds whether a metadata event gets a link.
func metadataEventsInCategory(p *P) {
	p.Seed(p.S("order-1"), "a")
	p.seedMetadata(p.S("order-1"), `{"mine":1}`)
	p.seedMetadata(p.S("order-2"), `{"mine":1}`)
	p.Seed(p.S("order-3"), "z")
	category := "$ce-" + p.S("order")
	p.awaitEvents(category, 2)
	p.awaitQuiet(category)
	p.Note("unresolved", p.Read(category, forwards(kurrentdb.Start{}), 20, p.linkly))
}

// linkEventsInCategory writes a link in a stream of a category.
func linkEventsInCategory(p *P) {
	p.Seed(p.S("s"), "a")
	p.seedLink(p.S("order-1"), "l", "0@"+p.S("s"))
	category := "$ce-" + p.S("order")
	p.awaitEvents(category, 1)
	p.Note("unresolved", p.Read(category, forwards(kurrentdb.Start{}), 20, p.linkly))
	p.Note("resolved", p.Read(category, resolving(forwards(kurrentdb.Start{})), 20, p.briefly))
}

func binaryEventsInCategory(p *P) {
	e := p.Ev("a")
	e.ContentType, e.Data = kurrentdb.ContentTypeBinary, []byte{0, 0xff}
	p.Must("seed", p.appended(p.S("order-1"), e))
	e = p.Ev("b")
	e.Data = []byte("not json")
	p.Must("seed", p.appended(p.S("order-1"), e))
	p.Seed(p.S("order-1"), "c")
	category := "$ce-" + p.S("order")
	p.awaitEvents(category, 3)
	p.Note("unresolved", p.Read(category, forwards(kurrentdb.Start{}), 20, p.linkly))
}

// metadataOfCategory reads the metadata of a stream that the server fills.
func metadataOfCategory(p *P) {
	p.Seed(p.S("order-1"), "a")
	category := "$ce-" + p.S("order")
	p.awaitEvents(category, 1)
	p.Note("metadata", p.Metadata(category))
}

func typeLinkFields(p *P) {
	p.SeedOf(p.T("placed"), p.S("order-1"), "a")
	p.SeedOf(p.T("placed"), p.S("plain"), "b")
	byType := "$et-" + p.T("placed")
	p.Note("filled", p.awaitEvents(byType, 2))
	p.Note("unresolved", p.Read(byType, forwards(kurrentdb.Start{}), 5, p.fullyResolved))
	p.Note("resolved", p.Read(byType, resolving(forwards(kurrentdb.Start{})), 5, p.briefly))
	p.Note("metadata", p.Metadata(byType))
}

func typeLinksToTombstoned(p *P) {
	p.SeedOf(p.T("placed"), p.S("order-1"), "a")
	p.awaitEvents("$et-"+p.T("placed"), 1)
	p.seedTombstone(p.S("order-1"))
	p.Sleep(p.quiet)
	p.Note("resolved", p.Read("$et-"+p.T("placed"), resolving(forwards(kurrentdb.Start{})), 5, p.briefly))
	p.Note("of deleted", p.Read("$et-$deleted", backwards(kurrentdb.End{}), 30, p.mineOnly))
}

// linksInStreams reads $streams.
func linksInStreams(p *P) {
	p.Seed(p.S("order-1"), "a", "b")
	p.seedMetadata(p.S("order-1"), `{"mine":1}`)
	p.Sleep(2 * p.quiet)
	p.Note("newest", p.Read("$streams", backwards(kurrentdb.End{}), 30, p.mineOnly))
}

// streamsOfCategory reads $category-, which lists the streams of a category.
func streamsOfCategory(p *P) {
	p.Seed(p.S("order-1"), "a", "b")
	p.Seed(p.S("order-2"), "c")
	p.Sleep(2 * p.quiet)
	p.Note("streams", p.Read("$category-"+p.S("order"), forwards(kurrentdb.Start{}), 5, func(e *kurrentdb.ResolvedEvent) any { return p.fully(e.Event) }))
}

func linksToOddTargets(p *P) {
	p.Seed(p.S("s"), "a")
	for i, target := range []string{"0@" + p.S("s"), "0@" + p.S("absent"), "7@" + p.S("s"), "x@" + p.S("s"), "0", "", "0@", "-1@" + p.S("s"), "0@$$" + p.S("s"), " 0@" + p.S("s"), "9223372036854775807@" + p.S("s"), "0@" + p.S("links")} {
		p.seedLink(p.S("links"), numbered("l", 20)[i], target)
	}
	p.Note("resolved", p.Read(p.S("links"), resolving(forwards(kurrentdb.Start{})), 20, p.briefly))
	p.Note("unresolved", p.Read(p.S("links"), forwards(kurrentdb.Start{}), 20, p.linkly))
}

// linkFlaggedJSON writes a link that is flagged as JSON.
func linkFlaggedJSON(p *P) {
	p.Seed(p.S("s"), "a")
	e := kurrentdb.EventData{EventID: p.ID("l"), EventType: "$>", ContentType: kurrentdb.ContentTypeJson, Data: []byte("0@" + p.S("s"))}
	p.Must("link", p.appended(p.S("links"), e))
	p.Note("resolved", p.Read(p.S("links"), resolving(forwards(kurrentdb.Start{})), 20, p.fullyResolved))
}

func linkToLink(p *P) {
	p.Seed(p.S("s"), "a")
	p.seedLink(p.S("links"), "l", "0@"+p.S("s"))
	p.seedLink(p.S("more"), "m", "0@"+p.S("links"))
	p.Note("resolved", p.Read(p.S("more"), resolving(forwards(kurrentdb.Start{})), 20, p.briefly))
}

// truncatedLinks truncates the links themselves, not their targets.
func truncatedLinks(p *P) {
	p.Seed(p.S("s"), "a", "b")
	p.seedLink(p.S("links"), "l0", "0@"+p.S("s"))
	p.seedLink(p.S("links"), "l1", "1@"+p.S("s"))
	p.seedMetadata(p.S("links"), `{"$tb":1}`)
	p.Note("resolved", p.Read(p.S("links"), resolving(forwards(kurrentdb.Start{})), 20, p.briefly))
}

// linkly returns a link in a line, with its target.
func (p *P) linkly(e *kurrentdb.ResolvedEvent) any {
	original := e.OriginalEvent()
	return p.brief(original) + " = " + p.show(original.Data)
}

// mineOnly returns links to the probe's own streams, nil for others.
func (p *P) mineOnly(e *kurrentdb.ResolvedEvent) any {
	if text := p.show(e.OriginalEvent().Data); len(text) > 0 && strings.Contains(text, "~") {
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
