package groups

import (
	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// liveBatch is how many of the events appended while the group is live are read at a
// time.
const liveBatch = 500

// ahead is how far a group has read ahead of its consumers, and which appends it was
// notified of. A group reads the history of its stream until it is live. It then takes
// each event as it is appended until its buffer is full. From then on it is behind, and
// reads the history again.
type ahead struct {
	more     bool // the source may have more to read now
	live     bool
	stuck    bool  // the next event to read was tombstoned: the read never ends
	pushed   int   // events appended while the group listened, since it last became live; at most the live buffer
	notified int64 // revision of the newest event of the stream that the group was notified of
	known    int64 // place of the newest event it has read or was notified of, None if there is none
}

func newAhead(events *store.Store, key Key, config Config, checkpoint int64) ahead {
	return ahead{
		more: true, live: config.FromEnd && checkpoint == subscription.None,
		notified: events.LastRevision(key.Stream), known: subscription.None,
	}
}

// room returns how many events may be read now.
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
	g.countAppended()
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
		g.ahead.more = false // until the next write, or permanently: the log cannot be read
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

// take feeds messages that were read. Those that were appended while the group was live
// go to consumers at once.
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

// countAppended counts what was appended to the stream. A group on All counts what it
// reads while it is live: it is not notified of events it has no room for.
func (g *group) countAppended() {
	if g.key.Stream == All {
		return
	}
	last := g.events.LastRevision(g.key.Stream)
	if last <= g.ahead.notified {
		return
	}
	count := last - max(g.ahead.notified, g.config.From-1)
	if last == store.DeletedRevision {
		count = 1
	}
	g.ahead.notified = last
	if count > 0 {
		g.push(count)
		g.ahead.known = max(g.ahead.known, last)
	}
}

func (g *group) push(count int64) {
	g.ahead.pushed = int(min(int64(g.ahead.pushed)+count, int64(max(g.config.Settings.LiveBuffer, 0))))
}
