package probe

import (
	"fmt"
	"math"
	"strings"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/streams"
)

// followProbes are about subscriptions to $all.
func followProbes() []probe {
	return []probe{
		ask("follow.after_position", followAfterPosition),
		ask("follow.resume", followResumed),
		ask("follow.by_type", followByType),
		ask("follow.several_prefixes", followSeveralPrefixes),
		ask("follow.regex", followByRegex),
		ask("follow.exclude_system", followExcludingSystem),
		ask("follow.empty_prefix", followByEmptyPrefix),
		ask("follow.deleted_stream", followDeletedStreams),
		slow("follow.checkpoints", 20e9, followCheckpoints),
		ask("follow.from_end", followFromEnd),
		ask("follow.unfiltered", followUnfiltered),
		ask("follow.far_beyond", followFromFarBeyond),
		ask("follow.odd_position", followFromOddPosition),
	}
}

// followAfterPosition follows as the product does: streams by prefix, after a position.
func followAfterPosition(p *P) {
	first := p.Seed(p.S("fulfillment-1"), "a")
	p.Seed(p.S("other"), "x")
	p.Seed(p.S("fulfillment-2"), "b")
	f := followAll(p, first, streamPrefix(p.S("fulfillment-")), 1000)
	p.Note("at first", p.heardOrdered(f, isCaughtUp))
	p.Seed(p.S("other"), "y")
	p.Seed(p.S("fulfillment-1"), "c")
	p.Note("live", p.heardOrdered(f, nil))
}

// followResumed resumes after a checkpoint, and after an event.
func followResumed(p *P) {
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
}

// followByType follows as the product scans: types by prefix, in any stream.
func followByType(p *P) {
	first := p.SeedOf(p.T("placed"), p.S("s"), "a")
	p.SeedOf(p.T("placed-v2"), p.S("t"), "b")
	p.SeedOf(p.T("shipped"), p.S("s"), "x")
	p.awaitEvents("$et-"+p.T("placed"), 1)
	f := followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Prefixes: []string{p.T("placed")}}, 1000)
	p.Note("at first", p.heardOrdered(f, isCaughtUp))
	p.SeedOf(p.T("placed"), p.S("u"), "c")
	p.Note("live", p.heardOrdered(f, nil))
}

func followSeveralPrefixes(p *P) {
	first := p.Seed(p.S("zero"), "z")
	p.Seed(p.S("a-1"), "a")
	p.Seed(p.S("b-1"), "b")
	p.Seed(p.S("c-1"), "c")
	f := followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{p.S("a-"), p.S("c-")}}, 1000)
	p.Note("at first", p.heardOrdered(f, isCaughtUp))
}

func followByRegex(p *P) {
	first := p.Seed(p.S("zero"), "z")
	p.Seed(p.S("order-1"), "a")
	p.Seed(p.S("border-1"), "b")
	p.Seed(p.S("order-x"), "c")
	f := followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Regex: "^" + p.prefix + `order-\d`}, 1000)
	p.Note("anchored", p.heardOrdered(f, isCaughtUp))
	f = followAll(p, first, &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Regex: p.prefix + `b?order-\d`}, 1000)
	p.Note("not anchored", p.heardOrdered(f, isCaughtUp))
	_, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Start{}, Filter: &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Regex: "("}})
	p.Note("bad regex", p.failure(err))
}

func followExcludingSystem(p *P) {
	first := p.Seed(p.S("zero"), "z")
	p.Seed(p.S("order-1"), "a")
	p.seedMetadata(p.S("order-1"), `{"mine":1}`)
	p.SeedOf("$mine", p.S("order-1"), "b")
	p.Seed("$"+p.S("sys"), "c")
	p.Sleep(p.quiet)
	f := followAll(p, first, kurrentdb.ExcludeSystemEventsFilter(), 1000)
	p.Note("at first", p.heardOrdered(f, isCaughtUp))
}

func followByEmptyPrefix(p *P) {
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
}

// followDeletedStreams finds that the log keeps them.
func followDeletedStreams(p *P) {
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
}

func followCheckpoints(p *P) {
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
}

func followFromEnd(p *P) {
	p.Seed(p.S("f-1"), "a")
	f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.End{}, Filter: streamPrefix(p.S("f-")), MaxSearchWindow: 1000, CheckpointInterval: 1})
	p.Must("subscribe", err)
	p.Note("at first", p.heardOrdered(f, nil))
	p.Seed(p.S("f-1"), "b")
	p.Note("live", p.heardOrdered(f, nil))
}

func followUnfiltered(p *P) {
	first := p.Seed(p.S("s"), "a")
	p.Seed(p.S("s"), "b")
	f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: logPosition(first)})
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
}

func followFromFarBeyond(p *P) {
	f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Position{Commit: math.MaxInt64, Prepare: math.MaxInt64}, Filter: streamPrefix(p.S("f-"))})
	if err != nil {
		p.Note("subscribe", p.failure(err))
		return
	}
	p.Note("at first", p.heardOrdered(f, nil))
}

func followFromOddPosition(p *P) {
	first := p.Seed(p.S("f-1"), "a")
	p.Seed(p.S("f-1"), "b")
	f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{From: kurrentdb.Position{Commit: first.CommitPosition + 1, Prepare: first.PreparePosition + 1}, Filter: streamPrefix(p.S("f-"))})
	if err != nil {
		p.Note("subscribe", p.failure(err))
		return
	}
	p.Note("at first", p.heardOrdered(f, isCaughtUp))
}

func streamPrefix(prefix string) *kurrentdb.SubscriptionFilter {
	return &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: []string{prefix}}
}

func followAll(p *P, after *kurrentdb.WriteResult, filter *kurrentdb.SubscriptionFilter, window int) *feed {
	f, err := p.FollowAll(kurrentdb.SubscribeToAllOptions{
		From: logPosition(after), Filter: filter, MaxSearchWindow: window, CheckpointInterval: 1,
	})
	p.Must("subscribe", err)
	return f
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

// kinds returns the kind of each message, consecutive ones once, and errors in full.
func kinds(lines list) list {
	seen := list{}
	for _, line := range lines {
		kind := "event"
		if text, ok := line.(string); ok {
			kind = firstWord(text)
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

func firstWord(text string) string {
	if end := strings.IndexAny(text, " ,"); end >= 0 {
		return text[:end]
	}
	return text
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
