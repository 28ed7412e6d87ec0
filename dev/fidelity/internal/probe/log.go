package probe

import (
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
)

// logProbes are counted reads of $all. They show only the probe's own events.
func logProbes() []probe {
	return []probe{
		ask("all.forwards", readLogForwards),
		ask("all.backwards", readLogBackwards),
		ask("all.first", readLogFromStart),
		ask("all.odd_position", readLogAtOddPosition),
		ask("all.keeps", logKeepsRemovedEvents),
		ask("all.links", readLogLinks),
		ask("all.filtered_read", readLogFiltered),
	}
}

// mineInLog returns one of the probe's own events with its position, nil for others.
func (p *P) mineInLog(e *kurrentdb.ResolvedEvent) any {
	if _, ours := p.ids[e.OriginalEvent().EventID.String()]; !ours {
		return nil
	}
	return p.brief(e.OriginalEvent()) + " " + position(e.OriginalEvent().Position.Commit, e.OriginalEvent().Position.Prepare)
}

func readLogForwards(p *P) {
	first := p.Seed(p.S("s"), "a")
	p.Seed(p.S("t"), "b", "c")
	p.Note("from a", p.ReadAll(kurrentdb.ReadAllOptions{From: logPosition(first)}, 200, p.mineInLog))
	p.Note("from end", p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.End{}}, 5, p.briefly))
	p.Note("one from a", p.ReadAll(kurrentdb.ReadAllOptions{From: logPosition(first)}, 1, p.mineInLog))
	p.Note("none from a", p.ReadAll(kurrentdb.ReadAllOptions{From: logPosition(first)}, 0, p.mineInLog))
	p.Note("none from start", p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, 0, p.mineInLog))
}

func readLogBackwards(p *P) {
	p.Seed(p.S("s"), "a")
	second := p.Seed(p.S("t"), "b", "c")
	back := func(from kurrentdb.AllPosition) kurrentdb.ReadAllOptions {
		return kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: from}
	}
	p.Note("from end", p.ReadAll(back(kurrentdb.End{}), 200, p.mineInLog))
	p.Note("from c", p.ReadAll(back(logPosition(second)), 200, p.mineInLog))
	p.Note("from start", p.ReadAll(back(kurrentdb.Start{}), 5, p.briefly))
	p.Note("none", p.ReadAll(back(kurrentdb.End{}), 0, p.mineInLog))
}

func readLogFromStart(p *P) {
	seen := 0
	p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.Start{}}, 10, func(*kurrentdb.ResolvedEvent) any { seen++; return nil })
	p.Note("events in a fresh log, of 10", seen)
}

func readLogAtOddPosition(p *P) {
	first := p.Seed(p.S("s"), "a", "b")
	at := logPosition(first)
	at.Commit++
	at.Prepare++
	p.Note("past the position", p.ReadAll(kurrentdb.ReadAllOptions{From: at}, 5, p.mineInLog))
	at.Commit, at.Prepare = math.MaxInt64, math.MaxInt64
	p.Note("far beyond", p.ReadAll(kurrentdb.ReadAllOptions{From: at}, 5, p.mineInLog))
	p.Note("far beyond, backwards", p.ReadAll(kurrentdb.ReadAllOptions{From: at, Direction: kurrentdb.Backwards}, 100, p.mineInLog))
	p.Note("zero", len(p.ReadAll(kurrentdb.ReadAllOptions{From: kurrentdb.Position{}}, 1, p.briefly))-1)
}

// logKeepsRemovedEvents finds that what is deleted, truncated or expired is still in the
// log.
func logKeepsRemovedEvents(p *P) {
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
	p.Note("log", p.ReadAll(kurrentdb.ReadAllOptions{From: logPosition(first)}, 200, seen))
}

// readLogLinks reads links of the projections, unresolved and resolved.
func readLogLinks(p *P) {
	first := p.Seed(p.S("order-1"), "a")
	p.awaitEvents("$ce-"+p.S("order"), 1)
	links := func(e *kurrentdb.ResolvedEvent) any {
		if e.OriginalEvent().StreamID != "$ce-"+p.S("order") {
			return nil
		}
		return p.briefly(e)
	}
	p.Note("unresolved", p.ReadAll(kurrentdb.ReadAllOptions{From: logPosition(first)}, 200, links))
	p.Note("resolved", p.ReadAll(kurrentdb.ReadAllOptions{From: logPosition(first), ResolveLinkTos: true}, 200, links))
}

// readLogFiltered is a read that the protocol supports and the client does not.
func readLogFiltered(p *P) {
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
}
