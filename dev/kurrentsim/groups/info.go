package groups

import (
	"maps"
	"slices"

	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// Info is the published state of a group.
type Info struct {
	Key          Key
	Config       Config
	Live         bool // it takes each event as it is appended
	Reading      bool // a read is in progress
	Pushed       int  // events appended since it became live, at most the live buffer
	StartFrom    string
	Checkpointed string // empty if there is none
	LastKnown    string // empty if there is none
	// Parked is the group's own count: events that other writers dropped from the parked
	// stream are still counted.
	Parked int64
	// Lag is the number of events between the last settled one and the end; for a group
	// on All, events of the whole log.
	Lag              int64
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
	err = g.ask(func() { info = g.info() })
	return info, err
}

// ListStream returns the groups of a stream. It returns none if the last one was deleted,
// and ErrNotFound if the stream never had one.
func (m *Manager) ListStream(stream string) ([]Info, error) {
	m.mu.RLock()
	_, known := m.streams[stream]
	m.mu.RUnlock()
	if !known {
		return nil, ErrNotFound
	}
	return m.List(stream), nil
}

// List returns the groups of a stream, or all groups for an empty name.
func (m *Manager) List(stream string) []Info {
	m.mu.RLock()
	keys := slices.SortedFunc(maps.Keys(m.groups), compareKeys)
	m.mu.RUnlock()
	var infos []Info
	for _, key := range keys {
		if stream != "" && key.Stream != stream {
			continue
		}
		if info, err := m.Info(key); err == nil { // it may have been deleted in the meantime
			infos = append(infos, info)
		}
	}
	return infos
}

func (g *group) info() Info {
	stats := g.engine.Stats()
	info := Info{
		Key: g.key, Config: g.config, Live: g.ahead.live, Reading: g.ahead.stuck, Pushed: g.ahead.pushed, Stats: stats,
		StartFrom:    g.key.place(g.config.From),
		Checkpointed: g.known(stats.Checkpointed),
		LastKnown:    g.known(g.ahead.known),
		Parked:       g.parked.count(),
	}
	if g.config.FromEnd {
		info.StartFrom = g.key.place(-1)
	}
	if !info.Live || stats.Buffered+stats.InFlight+stats.Retrying > 0 || !g.source.drained() {
		info.Lag = g.lag(stats.Settled)
	}
	if seconds := g.now().Sub(g.started).Seconds(); seconds >= 1 {
		info.AveragePerSecond = int(float64(stats.Total) / seconds)
	}
	return info
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
