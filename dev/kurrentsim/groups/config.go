package groups

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"orderflow/dev/kurrentsim/store"
	"orderflow/dev/kurrentsim/subscription"
)

// All is the name under which clients subscribe to the global order.
const All = "$all"

// Where groups are stored: the newest event holds all of them.
const (
	configStream = "$persistentSubscriptionConfig"
	configType   = "$PersistentConfig"
)

// Key names a group.
type Key struct {
	Stream string // All for the global order
	Group  string
}

// String returns the group's name, which is also the id of a subscription to it.
func (k Key) String() string { return k.Stream + "::" + k.Group }

func (k Key) checkpointStream() string {
	return "$persistentsubscription-" + k.String() + "-checkpoint"
}

func (k Key) parkedStream() string { return "$persistentsubscription-" + k.String() + "-parked" }

// Filter is the filter of a group that reads the global order.
type Filter struct {
	ByType     bool     `json:"byType"`
	Prefixes   []string `json:"prefixes,omitempty"`
	Expression string   `json:"expression,omitempty"`
}

// Config is the configuration of a group.
type Config struct {
	Settings subscription.Settings
	// FromEnd starts with what is written after the group was created; From is then the
	// end at that time. Otherwise From is the first revision, or position, of the group.
	FromEnd bool
	From    int64
	Filter  *Filter
}

// Errors returned by the management of groups.
var (
	ErrExists         = errors.New("group exists")
	ErrNotFound       = errors.New("group does not exist")
	ErrMaxSubscribers = errors.New("maximum subscriptions reached")
	ErrDropped        = errors.New("subscription was dropped")
	ErrStopping       = errors.New("server is stopping")
)

// InvalidError reports why settings cannot be used.
type InvalidError struct{ Reason string }

func (e *InvalidError) Error() string { return e.Reason }

func invalid(format string, args ...any) error {
	return &InvalidError{Reason: fmt.Sprintf(format, args...)}
}

func validate(key Key, c Config, end int64) error {
	s := c.Settings
	switch {
	case len(key.Group) > store.MaxNameLength:
		return invalid("group name must have at most %d bytes", store.MaxNameLength)
	case key.Stream != All && store.ValidateStream(key.Stream) != nil:
		return invalid("stream name is invalid")
	case !s.Strategy.Known():
		return invalid("consumer strategy %s does not exist", s.Strategy)
	case s.ReadBatch >= s.HistoryBuffer:
		return invalid("read batch size must be less than the history buffer size")
	case key.Stream == All && !c.FromEnd && c.From > end:
		return invalid("start position is beyond the end of the log")
	}
	_, err := c.filter()
	return err
}

func (c Config) filter() (*store.Filter, error) {
	if c.Filter == nil {
		return nil, nil
	}
	filter, err := store.NewFilter(c.Filter.ByType, c.Filter.Prefixes, c.Filter.Expression)
	if err != nil {
		return nil, invalid("%v", err)
	}
	return filter, nil
}

// place formats a revision or a position the way it is shown and stored.
func (k Key) place(place int64) string {
	if k.Stream == All {
		return fmt.Sprintf("C:%d/P:%d", place, place)
	}
	return strconv.FormatInt(place, 10)
}

func (k Key) parsePlace(text string) (int64, error) {
	if k.Stream != All {
		return strconv.ParseInt(text, 10, 64)
	}
	var commit, prepare int64
	_, err := fmt.Sscanf(text, "C:%d/P:%d", &commit, &prepare)
	return commit, err
}

// entry is a group as it is stored.
type entry struct {
	Stream  string
	Group   string
	Updated time.Time
	Config  Config
}

type configFile struct {
	Version string
	Updated time.Time
	Entries []entry
}

func encodeConfig(f configFile) (store.NewEvent, error) {
	data, err := json.Marshal(f)
	return store.NewEvent{ID: uuid.New(), Type: configType, JSON: true, Data: data}, err
}

// loadConfig returns the stored groups.
func loadConfig(events *store.Store) (map[Key]Config, error) {
	newest, ok, err := events.Newest(configStream)
	configs := map[Key]Config{}
	if err != nil || !ok {
		return configs, err
	}
	var file configFile
	if err := json.Unmarshal(newest.Data, &file); err != nil {
		return nil, fmt.Errorf("decode groups: %w", err)
	}
	for _, e := range file.Entries {
		configs[Key{e.Stream, e.Group}] = e.Config
	}
	return configs, nil
}
