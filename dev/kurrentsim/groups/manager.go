package groups

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"orderflow/dev/kurrentsim/store"
)

// Manager runs all groups of a server.
type Manager struct {
	events *store.Store
	logger *slog.Logger
	now    func() time.Time

	admin sync.Mutex // serializes changes of groups, including their writes

	mu      sync.RWMutex
	groups  map[Key]*group
	streams map[string]struct{} // streams that have a group, or had one since the groups were loaded
	stopped bool
}

// Open starts the stored groups.
func Open(events *store.Store, logger *slog.Logger) (*Manager, error) {
	m := &Manager{events: events, logger: logger, now: time.Now, groups: map[Key]*group{}, streams: map[string]struct{}{}}
	if err := m.load(); err != nil {
		m.Stop()
		return nil, err
	}
	return m, nil
}

func (m *Manager) load() error {
	configs, err := loadConfig(m.events)
	if err != nil {
		return fmt.Errorf("load groups: %w", err)
	}
	for key, config := range configs {
		if err := m.start(key, config); err != nil {
			return fmt.Errorf("start group %s: %w", key, err)
		}
	}
	return nil
}

func (m *Manager) start(key Key, config Config) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return ErrStopping
	}
	g, err := startGroup(m, key, config)
	if err == nil {
		m.groups[key] = g
		m.streams[key.Stream] = struct{}{}
	}
	return err
}

// Stop drops all consumers and ends all groups.
func (m *Manager) Stop() {
	m.mu.Lock()
	m.stopped = true
	m.mu.Unlock()
	m.clear(ErrStopping)
}

// clear ends all groups and forgets them.
func (m *Manager) clear(cause error) {
	m.mu.Lock()
	running := m.groups
	m.groups, m.streams = map[Key]*group{}, map[string]struct{}{}
	m.mu.Unlock()
	for _, g := range running {
		g.stop(cause)
	}
}

func (m *Manager) find(key Key) (*group, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	if g, ok := m.groups[key]; ok {
		return g, nil
	}
	return nil, ErrNotFound
}

// Connect joins a group as a consumer that takes at most buffer messages at a time.
func (m *Manager) Connect(key Key, buffer int, user, name string) (*Connection, error) {
	g, err := m.find(key)
	if err != nil {
		return nil, err
	}
	return g.connect(buffer, user, name)
}

// Create makes a new group. It starts with what is written from now on, or where the
// configuration says.
func (m *Manager) Create(key Key, config Config) error {
	m.admin.Lock()
	defer m.admin.Unlock()
	if _, err := m.find(key); err == nil {
		return ErrExists
	}
	if err := validate(key, config, int64(m.events.LastPosition())); err != nil {
		return err
	}
	m.fixStart(key, &config)
	if err := m.save(key, &config); err != nil {
		return err
	}
	return m.start(key, config)
}

// fixStart replaces the start "from the end" with the current end, so that it stays the
// same when the group is loaded again.
func (m *Manager) fixStart(key Key, config *Config) {
	switch {
	case !config.FromEnd:
	case key.Stream == All:
		config.From = int64(m.events.LastPosition()) + 1
	default:
		config.From = max(m.events.LastRevision(key.Stream), -1) + 1
	}
}

// Update replaces the settings of a group and drops its consumers. It keeps the filter
// and the checkpoint.
func (m *Manager) Update(key Key, config Config) error {
	m.admin.Lock()
	defer m.admin.Unlock()
	g, err := m.find(key)
	if err != nil {
		return err
	}
	config.Filter = g.config.Filter
	if err := validate(key, config, int64(m.events.LastPosition())); err != nil {
		return err
	}
	m.fixStart(key, &config)
	if err := m.save(key, &config); err != nil {
		return err
	}
	m.remove(g)
	return m.start(key, config)
}

// Delete ends a group and softly deletes its checkpoint and its parked messages.
func (m *Manager) Delete(key Key) error {
	m.admin.Lock()
	defer m.admin.Unlock()
	g, err := m.find(key)
	if err != nil {
		return err
	}
	m.remove(g)
	var missing *store.WrongRevisionError
	for _, stream := range []string{key.checkpointStream(), key.parkedStream()} {
		if _, err := m.events.Delete(stream, store.Any); err != nil && !errors.As(err, &missing) {
			return fmt.Errorf("delete %s: %w", stream, err)
		}
	}
	return m.save(key, nil)
}

func (m *Manager) remove(g *group) {
	m.mu.Lock()
	delete(m.groups, g.key)
	m.mu.Unlock()
	g.stop(ErrDropped)
}

// Restart drops all consumers and loads all groups again, each from behind its
// checkpoint.
func (m *Manager) Restart() error {
	m.admin.Lock()
	defer m.admin.Unlock()
	m.clear(ErrDropped)
	return m.load()
}

// Replay offers parked messages again: those before stopAt, or all if stopAt is negative.
func (m *Manager) Replay(key Key, stopAt int64) error {
	g, err := m.find(key)
	if err != nil {
		return err
	}
	var replayErr error
	if err := g.do(func() { replayErr = g.startReplay(stopAt) }); err != nil {
		return err
	}
	return replayErr
}

// save stores the groups with one of them changed, or removed if config is nil.
func (m *Manager) save(key Key, config *Config) error {
	now := m.now().UTC()
	file := configFile{Version: "2", Updated: now}
	m.mu.RLock()
	for _, other := range slices.SortedFunc(maps.Keys(m.groups), compareKeys) {
		if other != key {
			file.Entries = append(file.Entries, entry{other.Stream, other.Group, now, m.groups[other].config})
		}
	}
	m.mu.RUnlock()
	if config != nil {
		file.Entries = append(file.Entries, entry{key.Stream, key.Group, now, *config})
	}
	event, err := encodeConfig(file)
	if err != nil {
		return fmt.Errorf("encode groups: %w", err)
	}
	if _, err := m.events.Append(configStream, store.Any, []store.NewEvent{event}); err != nil {
		return fmt.Errorf("save groups: %w", err)
	}
	return nil
}

func compareKeys(a, b Key) int {
	return cmp.Or(cmp.Compare(a.Stream, b.Stream), cmp.Compare(a.Group, b.Group))
}
