package probe

import (
	"fmt"
	"math"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
)

// readProbes are counted reads of one stream in every condition, and at its edges.
func readProbes() (probes []probe) {
	start, end, at := kurrentdb.Start{}, kurrentdb.End{}, kurrentdb.Revision
	for _, c := range conditions() {
		probes = append(probes, ask("read."+c.name, func(p *P) {
			stream := p.S("s")
			c.make(p, stream)
			for _, r := range []struct {
				name    string
				options kurrentdb.ReadStreamOptions
			}{
				{"forwards from start", forwards(start)}, {"forwards from 1", forwards(at(1))}, {"forwards from 7", forwards(at(7))},
				{"backwards from end", backwards(end)}, {"backwards from 0", backwards(at(0))}, {"backwards from 7", backwards(at(7))},
				{"backwards from start", backwards(start)},
			} {
				p.Note(r.name, p.Read(stream, r.options, 5, p.briefly))
			}
			p.Note("metadata", p.Metadata(stream))
			p.Note("metadata forwards", p.Read("$$"+stream, forwards(start), 5, p.briefly))
		}))
	}
	return append(probes,
		ask("read.forwards_from_end", func(p *P) {
			p.Seed(p.S("s"), "a", "b")
			p.Note("existing", p.Read(p.S("s"), forwards(end), 5, p.briefly))
			p.Note("absent", p.Read(p.S("t"), forwards(end), 5, p.briefly))
		}),
		ask("read.counts", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, numbered("n", 5)...)
			for _, count := range []uint64{0, 1, 2, 5, 6, 1 << 20, math.MaxInt32, math.MaxInt32 + 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
				p.Note(fmt.Sprint("forwards ", count), len(p.Read(stream, forwards(start), count, p.briefly))-1)
				p.Note(fmt.Sprint("backwards ", count), len(p.Read(stream, backwards(end), count, p.briefly))-1)
			}
			p.Note("zero", p.Read(stream, forwards(start), 0, p.briefly))
			p.Note("zero of absent", p.Read(p.S("t"), forwards(start), 0, p.briefly))
			p.Note("largest", p.Read(stream, forwards(start), math.MaxUint64, p.briefly))
		}),
		ask("read.revisions", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b", "c")
			for _, from := range []uint64{0, 2, 3, math.MaxInt64 - 1, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64} {
				p.Note(fmt.Sprint("forwards ", from), p.Read(stream, forwards(at(from)), 5, p.briefly))
				p.Note(fmt.Sprint("backwards ", from), p.Read(stream, backwards(at(from)), 5, p.briefly))
			}
		}),
		slow("read.pages", 20e9, func(p *P) { // pages of 256, as the product reads
			stream := p.S("s")
			p.Seed(stream, numbered("n", 600)...)
			for from := uint64(0); from <= 768; from += 256 {
				seen := p.Read(stream, forwards(at(from)), 256, p.briefly)
				p.Note(fmt.Sprint("from ", from), list{len(seen) - 1, seen[0], seen[len(seen)-1]})
			}
		}),
		ask("read.fields", func(p *P) {
			e := p.Ev("a")
			e.Metadata = []byte(`{"m":1}`)
			p.Must("seed", p.appended(p.S("s-x"), e))
			p.Note("forwards", p.Read(p.S("s-x"), forwards(start), 1, p.fullyResolved))
			p.Note("backwards, resolving", p.Read(p.S("s-x"), resolving(backwards(end)), 1, p.fullyResolved))
		}),
		ask("read.tombstone_event", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a")
			p.seedTombstone(stream)
			p.Note("backwards", p.Read(stream, backwards(end), 1, p.fullyResolved))
			p.Note("at the end of time", p.Read(stream, forwards(at(math.MaxInt64)), 1, p.fullyResolved))
			p.Note("metadata", p.Read("$$"+stream, forwards(start), 1, p.fullyResolved))
		}),
		ask("read.deleted_mark", func(p *P) { // what distinguishes a softly deleted stream from an absent one
			stream := p.S("s")
			p.Seed(stream, "a")
			p.seedDelete(stream)
			p.Note("metadata", p.Read("$$"+stream, backwards(end), 1, p.fullyResolved))
		}),
	)
}

// metadataProbes are about events hidden by a stream's metadata, and the client's own
// calls for metadata.
func metadataProbes() (probes []probe) {
	for _, c := range []struct{ name, data string }{
		{"maxcount", `{"$maxCount":2}`}, {"maxcount.zero", `{"$maxCount":0}`}, {"maxcount.negative", `{"$maxCount":-1}`},
		{"maxcount.string", `{"$maxCount":"2"}`}, {"maxcount.float", `{"$maxCount":2.5}`},
		{"tb", `{"$tb":3}`}, {"tb.zero", `{"$tb":0}`}, {"tb.end", `{"$tb":5}`}, {"tb.beyond", `{"$tb":9}`}, {"tb.negative", `{"$tb":-1}`},
		{"tb.max", `{"$tb":9223372036854775807}`}, {"tb.huge", `{"$tb":9223372036854775808}`},
		{"tb.maxcount", `{"$tb":1,"$maxCount":2}`}, {"maxage.long", `{"$maxAge":1000}`}, {"maxage.zero", `{"$maxAge":0}`},
		{"unknown", `{"mine":1,"$other":2}`}, {"notjson", `{"$maxCount":2`}, {"notobject", `[1]`}, {"twice", `{"$maxCount":1,"$maxCount":4}`},
		{"badacl", `{"$acl":17,"$maxCount":2}`},
	} {
		probes = append(probes, ask("metadata."+c.name, func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b", "c", "d", "e")
			p.seedMetadata(stream, c.data)
			p.Note("forwards", p.History(stream))
			p.Note("forwards from 0, one", p.Read(stream, forwards(kurrentdb.Revision(0)), 1, p.briefly))
			p.Note("backwards", p.Read(stream, backwards(kurrentdb.End{}), 9, p.briefly))
			p.Note("backwards from 1", p.Read(stream, backwards(kurrentdb.Revision(1)), 9, p.briefly))
			p.Note("metadata", p.Metadata(stream))
			p.Note("append at 4", p.Append(stream, kurrentdb.Revision(4), p.Ev("f")))
			p.Note("then", p.History(stream))
			p.Note("metadata then", p.Metadata(stream))
		}))
	}
	return append(probes,
		ask("metadata.maxage", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b")
			p.seedMetadata(stream, `{"$maxAge":1}`)
			p.Sleep(2500 * time.Millisecond)
			p.Note("forwards", p.History(stream))
			p.Note("backwards", p.Read(stream, backwards(kurrentdb.End{}), 9, p.briefly))
			p.Note("append", p.Append(stream, kurrentdb.Revision(1), p.Ev("c")))
			p.Note("then", p.History(stream))
		}),
		ask("metadata.binary", func(p *P) { // metadata that is not flagged as JSON
			stream := p.S("s")
			p.Seed(stream, "a", "b", "c")
			e := kurrentdb.EventData{EventID: p.ID("m"), EventType: "$metadata", ContentType: kurrentdb.ContentTypeBinary, Data: []byte(`{"$maxCount":1}`)}
			p.Must("set", p.appended("$$"+stream, e))
			p.Note("forwards", p.History(stream))
		}),
		ask("metadata.othertype", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a", "b", "c")
			e := kurrentdb.EventData{EventID: p.ID("m"), EventType: "whatever", ContentType: kurrentdb.ContentTypeJson, Data: []byte(`{"$maxCount":1}`)}
			p.Must("set", p.appended("$$"+stream, e))
			p.Note("forwards", p.History(stream))
		}),
		ask("metadata.keeps_one", func(p *P) {
			stream := p.S("s")
			p.seedMetadata(stream, `{"$maxCount":7}`)
			p.seedMetadata(stream, `{"$maxCount":8}`)
			p.Note("forwards", p.Read("$$"+stream, forwards(kurrentdb.Start{}), 9, p.briefly))
			p.Note("from 0, one", p.Read("$$"+stream, forwards(kurrentdb.Revision(0)), 1, p.briefly))
			p.Note("backwards", p.Read("$$"+stream, backwards(kurrentdb.End{}), 9, p.briefly))
		}),
		ask("metadata.expectations", func(p *P) {
			meta := "$$" + p.S("s")
			event := func(label string) kurrentdb.EventData {
				e := p.Ev(label)
				e.EventType, e.Data = "$metadata", []byte(`{"$maxCount":5}`)
				return e
			}
			p.Note("at 0, absent", p.Append(meta, kurrentdb.Revision(0), event("a")))
			p.Note("no stream", p.Append(meta, kurrentdb.NoStream{}, event("b")))
			p.Note("no stream again", p.Append(meta, kurrentdb.NoStream{}, event("c")))
			p.Note("same again", p.Append(meta, kurrentdb.NoStream{}, event("b")))
			p.Note("at 0", p.Append(meta, kurrentdb.Revision(0), event("d")))
			p.Note("at 0 again", p.Append(meta, kurrentdb.Revision(0), event("e")))
		}),
		ask("metadata.client", func(p *P) {
			stream := p.S("s")
			get := func() any {
				m, err := p.DB().GetStreamMetadata(p.ctx, stream, kurrentdb.ReadStreamOptions{})
				if err != nil {
					return p.failure(err)
				}
				data, _ := m.ToJson()
				return p.show(data)
			}
			p.Note("none", get())
			var m kurrentdb.StreamMetadata
			m.SetMaxCount(4)
			m.SetMaxAge(20 * time.Second)
			m.SetTruncateBefore(1)
			m.SetCacheControl(9 * time.Second)
			m.AddCustomProperty("mine", "x")
			acl := kurrentdb.Acl{}
			acl.AddReadRoles("$admins")
			m.SetAcl(acl)
			_, err := p.DB().SetStreamMetadata(p.ctx, stream, kurrentdb.AppendToStreamOptions{StreamState: kurrentdb.NoStream{}}, m)
			p.Note("set", p.failure(err))
			p.Note("got", get())
			p.Note("raw", p.Metadata(stream))
		}),
		ask("metadata.on_deleted", func(p *P) { // writing metadata of a softly deleted stream brings it back
			stream := p.S("s")
			p.Seed(stream, "a", "b")
			p.seedDelete(stream)
			p.seedMetadata(stream, `{"$maxCount":3,"mine":1}`)
			p.Note("metadata", p.Metadata(stream))
			p.Note("forwards", p.History(stream))
			p.Note("append", p.Append(stream, kurrentdb.Revision(1), p.Ev("c")))
			p.Note("then", p.History(stream))
			p.Note("metadata then", p.Metadata(stream))
		}),
		ask("metadata.on_tombstoned", func(p *P) {
			stream := p.S("s")
			p.Seed(stream, "a")
			p.seedTombstone(stream)
			p.Note("set", p.Append("$$"+stream, kurrentdb.Any{}, p.Ev("m")))
			p.Note("get", p.Metadata(stream))
		}),
	)
}

// logProbes are counted reads of $all. They show only the probe's own events.
func logProbes() []probe {
	mine := func(p *P, types ...string) showEvent {
		return func(e *kurrentdb.ResolvedEvent) any {
			if _, ours := p.ids[e.OriginalEvent().EventID.String()]; !ours {
				return nil
			}
			return p.brief(e.OriginalEvent()) + " " + position(e.OriginalEvent().Position.Commit, e.OriginalEvent().Position.Prepare)
		}
	}
	place := func(w *kurrentdb.WriteResult) kurrentdb.Position {
		return kurrentdb.Position{Commit: w.CommitPosition, Prepare: w.PreparePosition}
	}
	return []probe{
		ask("all.forwards", func(p *P) {
			first := p.Seed(p.S("s"), "a")
			p.Seed(p.S("t"), "b", "c")
			p.Note("from a", p.ReadAll(kurrentdb.ReadAllOptions{From: place(first)}, 200, mine(p)))
			p.Note("from end", p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.End{}}, 5, p.briefly))
			p.Note("one from a", p.ReadAll(kurrentdb.ReadAllOptions{From: place(first)}, 1, mine(p)))
			p.Note("none from a", p.ReadAll(kurrentdb.ReadAllOptions{From: place(first)}, 0, mine(p)))
			p.Note("none from start", p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, 0, mine(p)))
		}),
		ask("all.backwards", func(p *P) {
			p.Seed(p.S("s"), "a")
			second := p.Seed(p.S("t"), "b", "c")
			back := func(from kurrentdb.AllPosition) kurrentdb.ReadAllOptions {
				return kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: from}
			}
			p.Note("from end", p.ReadAll(back(kurrentdb.End{}), 200, mine(p)))
			p.Note("from c", p.ReadAll(back(place(second)), 200, mine(p)))
			p.Note("from start", p.ReadAll(back(kurrentdb.Start{}), 5, p.briefly))
			p.Note("none", p.ReadAll(back(kurrentdb.End{}), 0, mine(p)))
		}),
		ask("all.first", func(p *P) {
			seen := 0
			p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, 10, func(*kurrentdb.ResolvedEvent) any { seen++; return nil })
			p.Note("events in a fresh log, of 10", seen)
		}),
		ask("all.odd_position", func(p *P) {
			first := p.Seed(p.S("s"), "a", "b")
			at := place(first)
			at.Commit++
			at.Prepare++
			p.Note("past the position", p.ReadAll(kurrentdb.ReadAllOptions{From: at}, 5, mine(p)))
			at.Commit, at.Prepare = math.MaxInt64, math.MaxInt64
			p.Note("far beyond", p.ReadAll(kurrentdb.ReadAllOptions{From: at}, 5, mine(p)))
			p.Note("far beyond, backwards", p.ReadAll(kurrentdb.ReadAllOptions{From: at, Direction: kurrentdb.Backwards}, 100, mine(p)))
			p.Note("zero", len(p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.Position{}}, 1, p.briefly))-1)
		}),
		ask("all.keeps", func(p *P) { // what is deleted, truncated or expired is still in the log
			first := p.Seed(p.S("s"), "a", "b")
			p.seedMetadata(p.S("s"), `{"$tb":1}`)
			p.Seed(p.S("t"), "c")
			p.seedDelete(p.S("t"))
			p.Seed(p.S("u"), "d")
			p.seedTombstone(p.S("u"))
			seen := func(e *kurrentdb.ResolvedEvent) any {
				if e.Event.StreamID == p.S("s") || e.Event.StreamID == p.S("t") || e.Event.StreamID == p.S("u") ||
					e.Event.StreamID == "$$"+p.S("s") || e.Event.StreamID == "$$"+p.S("t") {
					return p.fully(e.Event)
				}
				return nil
			}
			p.Note("log", p.ReadAll(kurrentdb.ReadAllOptions{From: place(first)}, 200, seen))
		}),
		ask("all.links", func(p *P) { // links of the projections, unresolved and resolved
			first := p.Seed(p.S("order-1"), "a")
			p.awaitEvents("$ce-"+p.S("order"), 1)
			links := func(e *kurrentdb.ResolvedEvent) any {
				if e.OriginalEvent().StreamID != "$ce-"+p.S("order") {
					return nil
				}
				return p.briefly(e)
			}
			p.Note("unresolved", p.ReadAll(kurrentdb.ReadAllOptions{From: place(first)}, 200, links))
			p.Note("resolved", p.ReadAll(kurrentdb.ReadAllOptions{From: place(first), ResolveLinkTos: true}, 200, links))
		}),
		ask("all.filtered_read", func(p *P) { // the protocol supports it, the client does not
			first := p.SeedOf(p.T("x"), p.S("s"), "a", "b")
			p.SeedOf(p.T("y"), p.S("t"), "c")
			request := func(filter *streams.ReadReq_Options_FilterOptions) *streams.ReadReq_Options {
				filter.Window = &streams.ReadReq_Options_FilterOptions_Max{Max: 32}
				filter.CheckpointIntervalMultiplier = 1
				return &streams.ReadReq_Options{
					StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
						AllOption: &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{
							CommitPosition: first.CommitPosition, PreparePosition: first.PreparePosition,
						}},
					}},
					CountOption:  &streams.ReadReq_Options_Count{Count: 10},
					FilterOption: &streams.ReadReq_Options_Filter{Filter: filter},
				}
			}
			for _, f := range []struct {
				name   string
				filter *streams.ReadReq_Options_FilterOptions
			}{
				{"type prefix", &streams.ReadReq_Options_FilterOptions{Filter: &streams.ReadReq_Options_FilterOptions_EventType{
					EventType: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{p.T("y")}}}}},
				{"stream prefix", &streams.ReadReq_Options_FilterOptions{Filter: &streams.ReadReq_Options_FilterOptions_StreamIdentifier{
					StreamIdentifier: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{p.S("s")}}}}},
				{"type regex", &streams.ReadReq_Options_FilterOptions{Filter: &streams.ReadReq_Options_FilterOptions_EventType{
					EventType: &streams.ReadReq_Options_FilterOptions_Expression{Regex: p.T("[xy]$")}}}},
			} {
				p.Note(f.name, p.wireRead(request(f.filter)))
			}
		}),
	}
}
