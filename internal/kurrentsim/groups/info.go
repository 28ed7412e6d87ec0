package groups

import (
	"maps"
	"slices"

	"orderflow/internal/kurrentsim/store"
	"orderflow/internal/kurrentsim/subscription"
)

// Info is what is shown of a group.
type Info struct {
	Key              Key
	Config           Config
	Live             bool // all there is has been read
	StartFrom        string
	Checkpointed     string // empty for none
	LastKnown        string // empty for none
	Parked           int64
	Lag              int64 // events between what is settled and the end; of the whole log for a group on All
	AveragePerSecond int
	Stats            subscription.Stats
}

// Info returns the present state of a group.
func (m *Manager) Info(key Key) (Info, error) {
	g, err := m.find(key)
	if err != nil {
		return Info{}, err
	}
	var info Info
	err = g.do(func() { info = g.info() })
	return info, err
}

// List returns the groups of a stream, or of all for an empty name.
func (m *Manager) List(stream string) []Info {
	m.mu.RLock()
	keys := slices.SortedFunc(maps.Keys(m.groups), compareKeys)
	m.mu.RUnlock()
	var infos []Info
	for _, key := range keys {
		if stream != "" && key.Stream != stream {
			continue
		}
		if info, err := m.Info(key); err == nil { // it may have been deleted meanwhile
			infos = append(infos, info)
		}
	}
	return infos
}

func (g *group) info() Info {
	stats := g.engine.Stats()
	info := Info{
		Key: g.key, Config: g.config, Live: stats.Buffered == 0 && g.source.drained(), Stats: stats,
		StartFrom:    g.key.place(g.config.From),
		Checkpointed: g.known(stats.Checkpointed),
		LastKnown:    g.known(g.lastKnown(stats)),
	}
	if g.config.FromEnd {
		info.StartFrom = g.key.place(-1)
	}
	if first, last, ok := g.events.Bounds(g.key.parkedStream()); ok {
		info.Parked = last - first + 1
	}
	if !info.Live || stats.InFlight+stats.Retrying > 0 {
		info.Lag = g.lag(stats.Settled)
	}
	if seconds := g.now().Sub(g.started).Seconds(); seconds >= 1 {
		info.AveragePerSecond = int(float64(stats.Total) / seconds)
	}
	return info
}

// lastKnown is the newest event the group has heard of, which it does before it has room to read it: a group whose buffers
// are full is told what is appended all the same.
func (g *group) lastKnown(stats subscription.Stats) int64 {
	if g.key.Stream == All {
		return stats.LastKnown
	}
	last := g.events.LastRevision(g.key.Stream)
	if last == store.DeletedRevision || last < g.config.From {
		return stats.LastKnown
	}
	return max(stats.LastKnown, last)
}

func (g *group) lag(settled int64) int64 {
	if settled == subscription.None {
		settled = g.config.From - 1
	}
	if g.key.Stream == All {
		return int64(g.events.EndCursor()) - int64(g.events.CursorAt(uint64(settled+1)))
	}
	last := g.events.LastRevision(g.key.Stream)
	if last == store.DeletedRevision {
		return 0
	}
	return max(0, last-settled)
}

func (g *group) known(place int64) string {
	if place == subscription.None {
		return ""
	}
	return g.key.place(place)
}
