package groups

import (
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// liveBatch is how many of the events that are appended now are read at a time.
const liveBatch = 500

// ahead is how far a group has read ahead of its consumers, and what it has heard of. A group reads the history of its stream
// until it is live, and then takes each event as it is appended, until its buffer is full: then it is behind, and reads again.
type ahead struct {
	more   bool // the source may have more right now
	live   bool
	stuck  bool  // what was to be read next was tombstoned: the read never ends
	pushed int   // events appended while the group listened, since it last became live; at most the live buffer
	heard  int64 // revision of the newest event of the stream that the group was told of
	known  int64 // place of the newest event it has read or heard of, None for none
}

func newAhead(events *store.Store, key Key, config Config, checkpoint int64) ahead {
	return ahead{
		more: true, live: config.FromEnd && checkpoint == subscription.None,
		heard: events.LastRevision(key.Stream), known: subscription.None,
	}
}

// room is how many events may be read now.
func (g *group) room() int {
	switch {
	case g.ahead.stuck:
		return 0
	case g.ahead.live:
		return min(g.engine.LiveRoom(), liveBatch)
	}
	return g.engine.Room()
}

// feed reads ahead as far as there is room.
func (g *group) feed() {
	g.hear()
	room := g.room()
	if room == 0 && g.ahead.live && !g.source.drained() {
		g.ahead.live = false
		room = g.room()
	}
	if room == 0 || !g.ahead.more {
		return
	}
	messages, end, err := g.source.read(room)
	if err != nil {
		g.logger.Error("read for group", "error", err)
		g.ahead.more = false // until something is written, or for ever: the log cannot be read
		return
	}
	if g.ahead.stuck = g.source.tombstoned() && !g.ahead.live; g.ahead.stuck {
		return
	}
	g.ahead.more = !end
	g.take(messages)
	if end && !g.ahead.live {
		g.ahead.live, g.ahead.pushed = true, 0
	}
}

// take feeds messages that were read. Those that were appended while the group was live go to consumers at once.
func (g *group) take(messages []*subscription.Message) {
	for _, m := range messages {
		if m.Skipped > 0 {
			continue
		}
		g.moved = true
		g.ahead.known = max(g.ahead.known, m.Place)
		if g.ahead.live && g.key.Stream == All {
			g.push(1)
		}
	}
	g.engine.Feed(messages)
}

// hear counts what was appended to the stream. A group on All counts what it reads while it is live: what it has no room for
// it does not hear of.
func (g *group) hear() {
	if g.key.Stream == All {
		return
	}
	last := g.events.LastRevision(g.key.Stream)
	if last <= g.ahead.heard {
		return
	}
	count := last - max(g.ahead.heard, g.config.From-1)
	if last == store.DeletedRevision {
		count = 1
	}
	g.ahead.heard = last
	if count > 0 {
		g.push(count)
		g.ahead.known = max(g.ahead.known, last)
	}
}

func (g *group) push(count int64) {
	g.ahead.pushed = int(min(int64(g.ahead.pushed)+count, int64(max(g.config.Settings.LiveBuffer, 0))))
}
