package probe

import (
	"fmt"
	"math"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
)

// followProbes are about subscriptions to $all.
func followProbes() []probe {
	start, end := kurrentdb.Start{}, kurrentdb.End{}
	return []probe{
		ask("follow.after_position", func(p *P) { // as the product follows: streams by prefix, after a position
			first := p.Seed(p.S("fulfillment-1"), "a")
			p.Seed(p.S("other"), "x")
			p.Seed(p.S("fulfillment-2"), "b")
			f := followAll(p, first, streamPrefix(p.S("fulfillment-")), 1000)
			p.Note("at first", p.heardOrdered(f, isCaughtUp))
			p.Seed(p.S("other"), "y")
			p.Seed(p.S("fulfillment-1"), "c")
			p.Note("live", p.heardOrdered(f, nil))
		}),
		ask("follow.resume", func(p *P) { // after a checkpoint, and after an event
			first := p.Seed(p.S("fulfillment-1"), "a")
			p.Seed(p.S("fulfillment-1"), "b")
			f := followAll(p, first, streamPrefix(p.S("fulfillment-")), 1000)
			messages, _ := f.take(p.quiet, isCaughtUp)
			f.stop()
			var last kurrentdb.Position
			for _, m := range messages {
				if m.CheckPointReached != nil {
					last = *m.CheckPointReached
				} else if m.EventAppeared != nil {
					last = m.EventAppeared.OriginalEvent().Position
				}
			}
			p.Seed(p.S("fulfillment-1"), "c")
			f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: last, Filter: streamPrefix(p.S("fulfillment-")), MaxSearchWindow: 1000, CheckpointInterval: 1})
			p.Must("subscribe", err)
			p.Note("resumed", p.heardOrdered(f, isCaughtUp))
		}),
		ask("follow.by_type", func(p *P) { // as the product scans: types by prefix, in any stream
			first := p.SeedOf(p.T("placed"), p.S("s"), "a")
			p.SeedOf(p.T("placed-v2"), p.S("t"), "b")
			p.SeedOf(p.T("shipped"), p.S("s"), "x")
			p.awaitEvents("$et-"+p.T("placed"), 1)
			f := followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Prefixes: []string{p.T("placed")}}, 1000)
			p.Note("at first", p.heardOrdered(f, isCaughtUp))
			p.SeedOf(p.T("placed"), p.S("u"), "c")
			p.Note("live", p.heardOrdered(f, nil))
		}),
		ask("follow.several_prefixes", func(p *P) {
			first := p.Seed(p.S("zero"), "z")
			p.Seed(p.S("a-1"), "a")
			p.Seed(p.S("b-1"), "b")
			p.Seed(p.S("c-1"), "c")
			f := followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{p.S("a-"), p.S("c-")}}, 1000)
			p.Note("at first", p.heardOrdered(f, isCaughtUp))
		}),
		ask("follow.regex", func(p *P) {
			first := p.Seed(p.S("zero"), "z")
			p.Seed(p.S("order-1"), "a")
			p.Seed(p.S("border-1"), "b")
			p.Seed(p.S("order-x"), "c")
			f := followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Regex: "^" + p.prefix + `order-\d`}, 1000)
			p.Note("anchored", p.heardOrdered(f, isCaughtUp))
			f = followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Regex: p.prefix + `b?order-\d`}, 1000)
			p.Note("not anchored", p.heardOrdered(f, isCaughtUp))
			_, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: start, Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Regex: "("}})
			p.Note("bad regex", p.failure(err))
		}),
		ask("follow.exclude_system", func(p *P) {
			first := p.Seed(p.S("zero"), "z")
			p.Seed(p.S("order-1"), "a")
			p.seedMetadata(p.S("order-1"), `{"mine":1}`)
			p.SeedOf("$mine", p.S("order-1"), "b")
			p.Seed("$"+p.S("sys"), "c")
			p.Sleep(p.quiet)
			f := followAll(p, first, kurrentdb.ExcludeSystemEventsFilter(), 1000)
			p.Note("at first", p.heardOrdered(f, isCaughtUp))
		}),
		ask("follow.empty_prefix", func(p *P) {
			first := p.Seed(p.S("zero"), "z")
			p.Seed(p.S("a"), "a")
			request := filtered(first, &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{""}}, 32, 1)
			p.Note("empty prefix", len(p.wireRead(request)) > 2)
			request = filtered(first, &streams.ReadReq_Options_FilterOptions_Expression{}, 32, 1)
			p.Note("no expression", kinds(p.wireRead(request)))
			request = filtered(first, &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{p.S("a")}}, 32, 0)
			p.Note("multiplier 0", p.wireRead(request))
			request = filtered(first, &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{p.S("a")}}, 0, 1)
			p.Note("window 0", kinds(p.wireRead(request)))
		}),
		ask("follow.deleted_stream", func(p *P) { // the log keeps them
			first := p.Seed(p.S("zero"), "z")
			p.Seed(p.S("f-1"), "a")
			p.seedDelete(p.S("f-1"))
			p.Seed(p.S("f-2"), "b")
			p.seedTombstone(p.S("f-2"))
			p.Seed(p.S("f-3"), "c", "d")
			p.seedMetadata(p.S("f-3"), `{"$tb":1}`)
			f := followAll(p, first, streamPrefix(p.S("f-")), 1000)
			p.Note("at first", p.heardOrdered(f, isCaughtUp))
			p.seedTombstone(p.S("f-3"))
			p.Note("tombstoned meanwhile", p.heardOrdered(f, nil))
		}),
		slow("follow.checkpoints", 20e9, func(p *P) {
			first := p.Seed(p.S("zero"), "z")
			for i := range 5 {
				p.Seed(p.S("other"), numbered(fmt.Sprint("o", i, "."), 20)...)
			}
			p.Seed(p.S("f-1"), "a")
			f := followAll(p, first, streamPrefix(p.S("f-")), 10)
			messages, _ := f.take(3*p.quiet, isCaughtUp)
			p.Note("caught up after checkpoints, in order", checkpoints(messages))
			for i := range 3 {
				p.Seed(p.S("other"), numbered(fmt.Sprint("l", i, "."), 20)...)
			}
			messages, _ = f.take(p.quiet, nil)
			p.Note("live checkpoints without a matching event", checkpoints(messages))
		}),
		ask("follow.from_end", func(p *P) {
			p.Seed(p.S("f-1"), "a")
			f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: end, Filter: streamPrefix(p.S("f-")), MaxSearchWindow: 1000, CheckpointInterval: 1})
			p.Must("subscribe", err)
			p.Note("at first", p.heardOrdered(f, nil))
			p.Seed(p.S("f-1"), "b")
			p.Note("live", p.heardOrdered(f, nil))
		}),
		ask("follow.unfiltered", func(p *P) {
			first := p.Seed(p.S("s"), "a")
			p.Seed(p.S("s"), "b")
			f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Position{Commit: first.CommitPosition, Prepare: first.PreparePosition}})
			p.Must("subscribe", err)
			count := map[string]int{}
			messages, _ := f.take(p.quiet, isCaughtUp)
			mine := list{}
			for _, m := range messages {
				switch {
				case m.EventAppeared != nil && m.EventAppeared.OriginalEvent().StreamID == p.S("s"):
					mine = append(mine, p.brief(m.EventAppeared.Event))
				case m.CheckPointReached != nil:
					count["checkpoints"]++
				case isCaughtUp(m):
					count["caught up"]++
				}
			}
			p.Note("mine", mine)
			p.Note("others", count)
		}),
		ask("follow.far_beyond", func(p *P) {
			f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Position{Commit: math.MaxInt64, Prepare: math.MaxInt64}, Filter: streamPrefix(p.S("f-"))})
			if err != nil {
				p.Note("subscribe", p.failure(err))
				return
			}
			p.Note("at first", p.heardOrdered(f, nil))
		}),
		ask("follow.odd_position", func(p *P) {
			first := p.Seed(p.S("f-1"), "a")
			p.Seed(p.S("f-1"), "b")
			f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Position{Commit: first.CommitPosition + 1, Prepare: first.PreparePosition + 1}, Filter: streamPrefix(p.S("f-"))})
			if err != nil {
				p.Note("subscribe", p.failure(err))
				return
			}
			p.Note("at first", p.heardOrdered(f, isCaughtUp))
		}),
	}
}

func streamPrefix(prefix string) *kurrentdb.SubscriptionFilter {
	return &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{prefix}}
}

func followAll(p *P, after *kurrentdb.WriteResult, filter *kurrentdb.SubscriptionFilter, window int) *feed {
	f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{
		From: kurrentdb.Position{Commit: after.CommitPosition, Prepare: after.PreparePosition}, Filter: filter, MaxSearchWindow: window, CheckpointInterval: 1,
	})
	p.Must("subscribe", err)
	return f
}

// heardOrdered is heard for $all, where events of other probes move the checkpoints:
// consecutive checkpoints count as one, and only whether a position follows the previous
// event is recorded.
func (p *P) heardOrdered(f *feed, enough func(*kurrentdb.SubscriptionEvent) bool) list {
	seen := list{}
	var last kurrentdb.Position
	messages, ended := f.take(p.quiet, enough)
	relation := func(at kurrentdb.Position) string {
		switch {
		case last == (kurrentdb.Position{}):
			return "before any event"
		case at.Commit == last.Commit:
			return "at the last event"
		case at.Commit > last.Commit:
			return "behind the last event"
		}
		return "BEFORE the last event"
	}
	for _, m := range messages {
		var line any
		switch {
		case m.CheckPointReached != nil:
			line = "checkpoint " + relation(*m.CheckPointReached)
		case m.CaughtUp != nil && m.CaughtUp.Position != nil:
			line = "caught up " + relation(*m.CaughtUp.Position)
		case m.EventAppeared != nil && !contains(m.EventAppeared.OriginalEvent().StreamID, p.prefix):
			continue
		default:
			line = p.message(m)
		}
		if m.EventAppeared != nil {
			last = m.EventAppeared.OriginalEvent().Position
		}
		if text, ok := line.(string); ok && len(seen) > 0 && seen[len(seen)-1] == text && m.CheckPointReached != nil {
			continue
		}
		seen = append(seen, line)
	}
	if ended != "enough" {
		seen = append(seen, ended)
	}
	return seen
}

// checkpoints reports whether the checkpoints among the messages rise, and what preceded
// the caught-up message.
func checkpoints(messages []*kurrentdb.SubscriptionEvent) any {
	var last uint64
	n, rising, lastKind := 0, true, "none"
	for _, m := range messages {
		switch {
		case m.CheckPointReached != nil:
			n++
			rising = rising && m.CheckPointReached.Commit > last
			last, lastKind = m.CheckPointReached.Commit, "checkpoint"
		case m.EventAppeared != nil:
			lastKind = "event"
		case isCaughtUp(m):
			return obj{"some": n > 1, "rising": rising, "right before caught up": lastKind}
		}
	}
	return obj{"some": n > 1, "rising": rising, "last": lastKind}
}

func kinds(lines list) list {
	seen := list{}
	for _, line := range lines {
		kind := "event"
		if text, ok := line.(string); ok {
			kind, _, _ = cut(text)
		} else if fields, ok := line.(obj); ok && fields["grpc"] != nil {
			seen = append(seen, line)
			continue
		}
		if len(seen) == 0 || seen[len(seen)-1] != kind {
			seen = append(seen, kind)
		}
	}
	return seen
}

func cut(text string) (string, string, bool) {
	for i, r := range text {
		if r == ' ' || r == ',' {
			return text[:i], text[i:], true
		}
	}
	return text, "", false
}

// filtered is a subscription to the log after a write.
func filtered(after *kurrentdb.WriteResult, byStream *streams.ReadReq_Options_FilterOptions_Expression, window, multiplier uint32) *streams.ReadReq_Options {
	return subscribing(&streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{
			AllOption: &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{
				CommitPosition: after.CommitPosition, PreparePosition: after.PreparePosition,
			}},
		}},
		FilterOption: &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
			Filter:                       &streams.ReadReq_Options_FilterOptions_StreamIdentifier{StreamIdentifier: byStream},
			Window:                       &streams.ReadReq_Options_FilterOptions_Max{Max: window},
			CheckpointIntervalMultiplier: multiplier,
		}},
	})
}
