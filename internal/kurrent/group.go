package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// maxBuffer bounds how many unacknowledged events a consumer can have.
const maxBuffer = 10_000

// When the group writes its checkpoint. After a restart of the server, nothing below the
// checkpoint is delivered again, so it follows closely: after every event, at most once a
// second.
const (
	checkpointAfter = time.Second
	checkpointLower = 1
	checkpointUpper = 1_000
)

// minRetries is the least number of redeliveries before a group parks an event. Each time
// an outage makes a consumer leave counts as one. At one every few seconds, this many
// last for months.
const minRetries = 1_000_000

// All is the name of the stream that holds every event of the server. A group on it
// delivers the events themselves, and no links to them.
const All = "$all"

// GroupSettings are the settings of a persistent subscription's group. The rest is fixed:
// the group starts at the beginning of the stream, resolves links unless the stream is
// All, uses RoundRobin, and retries without limit, so that a good event is never parked
// because an outage took long.
type GroupSettings struct {
	Stream         string
	Group          string
	MessageTimeout time.Duration // an event not acknowledged within it is redelivered; whole milliseconds, 1 s to 24 h
	BufferSize     int           // about how many events all consumers together work on at once, 1 to 10,000
	Filter         Filter        // of a group on All
}

// Filter selects events of a group on All, by the prefixes of either their types or their
// streams. The zero value selects all but the server's own events. The server keeps the
// filter that a group was created with, and does not show it.
type Filter struct {
	TypePrefixes   []string
	StreamPrefixes []string
}

func (f Filter) wanted() *kurrentdb.SubscriptionFilter {
	switch {
	case len(f.TypePrefixes) > 0:
		return &kurrentdb.SubscriptionFilter{Type: kurrentdb.EventFilterType, Prefixes: f.TypePrefixes}
	case len(f.StreamPrefixes) > 0:
		return &kurrentdb.SubscriptionFilter{Type: kurrentdb.StreamFilterType, Prefixes: f.StreamPrefixes}
	default:
		return kurrentdb.ExcludeSystemEventsFilter()
	}
}

func (f Filter) empty() bool { return len(f.TypePrefixes)+len(f.StreamPrefixes) == 0 }

// Validate returns ErrInvalid, with what is wrong, for settings that no server accepts.
func (g GroupSettings) Validate() error {
	switch {
	case g.Stream == "" || g.Group == "":
		return fmt.Errorf("%w: group and stream must be named", ErrInvalid)
	case g.MessageTimeout < time.Second || g.MessageTimeout > 24*time.Hour:
		return fmt.Errorf("%w: message timeout must be from 1s to 24h", ErrInvalid)
	case g.BufferSize < 1 || g.BufferSize > maxBuffer:
		return fmt.Errorf("%w: buffer size must be from 1 to %d", ErrInvalid, maxBuffer)
	case g.Stream != All && !g.Filter.empty():
		return fmt.Errorf("%w: only a group on %s has a filter", ErrInvalid, All)
	case len(g.Filter.TypePrefixes) > 0 && len(g.Filter.StreamPrefixes) > 0:
		return fmt.Errorf("%w: a filter selects by types or by streams, not by both", ErrInvalid)
	case slices.Contains(g.Filter.TypePrefixes, "") || slices.Contains(g.Filter.StreamPrefixes, ""):
		return fmt.Errorf("%w: a filter's prefix must not be empty", ErrInvalid)
	}
	return nil
}

func (g GroupSettings) wanted() kurrentdb.PersistentSubscriptionSettings {
	wanted := kurrentdb.SubscriptionSettingsDefault()
	wanted.StartFrom = kurrentdb.Start{}    // only for comparison: the start is not sent from here
	wanted.ResolveLinkTos = g.Stream != All // there, every event would also arrive once for each link to it
	wanted.MaxRetryCount = math.MaxInt32
	wanted.MessageTimeout = int32(g.MessageTimeout.Milliseconds())
	wanted.CheckpointAfter = int32(checkpointAfter.Milliseconds())
	wanted.CheckpointLowerBound = checkpointLower
	wanted.CheckpointUpperBound = checkpointUpper
	wanted.ReadBatchSize = int32(g.BufferSize)
	wanted.HistoryBufferSize = int32(2 * g.BufferSize) // the server requires it to be larger than a batch
	wanted.LiveBufferSize = int32(2 * g.BufferSize)
	return wanted
}

// Difference is a setting in which a group differs from what is wanted.
type Difference struct {
	Text  string // the actual and the wanted value, with the reason if it loses events
	Loses bool   // good events are never delivered, are delivered as something else, or are parked
}

// LossReason returns the settings that make the group lose good events, with the repair.
// It returns an empty string if there are none.
func (g GroupSettings) LossReason(differences []Difference) string {
	var all []string
	for _, d := range differences {
		if d.Loses {
			all = append(all, d.Text)
		}
	}
	if len(all) == 0 {
		return ""
	}
	return fmt.Sprintf("group %s on %s loses events (%s): update it, or delete it and create it again with orderflow group create",
		g.Group, g.Stream, strings.Join(all, "; "))
}

// unreadableSettings returns the one difference of a group whose settings may not be
// read.
func unreadableSettings() []Difference {
	return []Difference{{Text: "settings cannot be compared: no right to read them"}}
}

// CompareGroup returns where a group differs from settings. It returns ErrNotFound if
// there is no such group. Without the right to read the settings, it returns a single
// difference that says so.
func (c *Client) CompareGroup(ctx context.Context, settings GroupSettings) ([]Difference, error) {
	info, err := c.groupInfo(ctx, settings.Stream, settings.Group)
	switch {
	case errors.Is(err, ErrAccessDenied):
		return unreadableSettings(), nil
	case err != nil:
		return nil, fmt.Errorf("compare group %s::%s: %w", settings.Stream, settings.Group, err)
	}
	return compare(*info.Settings, settings.wanted()), nil
}

// EnsureGroup creates the group if it is missing. An existing group is never changed:
// differences says where it differs from settings. It returns ErrAccessDenied if the
// group is missing and the caller may not create it. If the caller may not read the
// settings of an existing group, the single difference says so.
func (c *Client) EnsureGroup(ctx context.Context, settings GroupSettings) (differences []Difference, created bool, err error) {
	if err := settings.Validate(); err != nil {
		return nil, false, fmt.Errorf("group %s::%s: %w", settings.Stream, settings.Group, err)
	}
	info, err := c.groupInfo(ctx, settings.Stream, settings.Group)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrAccessDenied) {
		createErr := c.createGroup(ctx, settings)
		switch {
		case createErr == nil:
			return nil, true, nil
		case errors.Is(createErr, ErrGroupExists): // another client created it meanwhile, or it may not be read
			info, err = c.groupInfo(ctx, settings.Stream, settings.Group)
		case errors.Is(err, ErrNotFound) || !errors.Is(createErr, ErrAccessDenied):
			return nil, false, fmt.Errorf("create group %s::%s: %w", settings.Stream, settings.Group, createErr)
		}
	}
	switch {
	case errors.Is(err, ErrAccessDenied):
		return unreadableSettings(), false, nil
	case err != nil:
		return nil, false, fmt.Errorf("compare group %s::%s: %w", settings.Stream, settings.Group, err)
	}
	return compare(*info.Settings, settings.wanted()), false, nil
}

func (c *Client) createGroup(ctx context.Context, settings GroupSettings) error {
	return c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
		wanted := settings.wanted()
		if settings.Stream == All {
			options := kurrentdb.PersistentAllSubscriptionOptions{Settings: &wanted, StartFrom: kurrentdb.Start{}, Filter: settings.Filter.wanted()}
			return client.CreatePersistentSubscriptionToAll(ctx, settings.Group, options)
		}
		options := kurrentdb.PersistentStreamSubscriptionOptions{Settings: &wanted, StartFrom: kurrentdb.Start{}}
		return client.CreatePersistentSubscription(ctx, settings.Stream, settings.Group, options)
	})
}

// UpdateGroup gives an existing group these settings. Its checkpoint, its parked events
// and its filter stay as they are. The server drops every consumer of the group and
// delivers their unacknowledged events again. It returns ErrNotFound if there is no such
// group.
func (c *Client) UpdateGroup(ctx context.Context, settings GroupSettings) error {
	err := settings.Validate()
	if err == nil {
		err = c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) error {
			wanted := settings.wanted()
			if settings.Stream == All {
				options := kurrentdb.PersistentAllSubscriptionOptions{Settings: &wanted, StartFrom: kurrentdb.Start{}}
				return client.UpdatePersistentSubscriptionToAll(ctx, settings.Group, options)
			}
			options := kurrentdb.PersistentStreamSubscriptionOptions{Settings: &wanted, StartFrom: kurrentdb.Start{}}
			return client.UpdatePersistentSubscription(ctx, settings.Stream, settings.Group, options)
		})
	}
	if err != nil {
		return fmt.Errorf("update group %s::%s: %w", settings.Stream, settings.Group, err)
	}
	return nil
}

func (c *Client) groupInfo(ctx context.Context, stream, group string) (info *kurrentdb.PersistentSubscriptionInfo, err error) {
	err = c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) (err error) {
		if stream == All {
			info, err = client.GetPersistentSubscriptionInfoToAll(ctx, group, kurrentdb.GetPersistentSubscriptionOptions{})
		} else {
			info, err = client.GetPersistentSubscriptionInfo(ctx, stream, group, kurrentdb.GetPersistentSubscriptionOptions{})
		}
		if err == nil && (info.Settings == nil || info.Stats == nil) { // old servers respond over HTTP, and may leave them out
			err = errors.New("group info has no settings or no statistics")
		}
		return err
	})
	return info, err
}

// compare returns where a group differs, most important first.
func compare(got, want kurrentdb.PersistentSubscriptionSettings) []Difference {
	var differences []Difference
	for _, setting := range []struct {
		name      string
		got, want any
		loses     bool   // events are lost if it differs
		why       string // events are lost
	}{
		{"start", startOf(got.StartFrom), startOf(want.StartFrom), startsLate(got.StartFrom), "events before it are never delivered"},
		{"resolveLinkTos", got.ResolveLinkTos, want.ResolveLinkTos, true, "links are delivered in place of events"},
		{
			"maxRetryCount", got.MaxRetryCount, want.MaxRetryCount, got.MaxRetryCount < minRetries,
			fmt.Sprintf("an outage parks good events unless it is at least %d", minRetries),
		},
		{
			"messageTimeout", milliseconds(got.MessageTimeout), milliseconds(want.MessageTimeout),
			got.MessageTimeout < want.MessageTimeout, "an event is delivered again while a consumer still works on it",
		},
		{"consumerStrategy", got.ConsumerStrategyName, want.ConsumerStrategyName, false, ""},
		{"maxSubscriberCount", got.MaxSubscriberCount, want.MaxSubscriberCount, false, ""},
		{"checkpointAfter", milliseconds(got.CheckpointAfter), milliseconds(want.CheckpointAfter), false, ""},
		{"checkpointLowerBound", got.CheckpointLowerBound, want.CheckpointLowerBound, false, ""},
		{"checkpointUpperBound", got.CheckpointUpperBound, want.CheckpointUpperBound, false, ""},
		{"readBatchSize", got.ReadBatchSize, want.ReadBatchSize, false, ""},
		{"historyBufferSize", got.HistoryBufferSize, want.HistoryBufferSize, false, ""},
		{"liveBufferSize", got.LiveBufferSize, want.LiveBufferSize, false, ""},
	} {
		if setting.got == setting.want {
			continue
		}
		d := Difference{Text: fmt.Sprintf("%s is %v, want %v", setting.name, setting.got, setting.want), Loses: setting.loses}
		if d.Loses {
			d.Text += ": " + setting.why
		}
		differences = append(differences, d)
	}
	return differences
}

// startsLate reports whether a group is known to start after the first event of its
// stream.
func startsLate(position any) bool {
	switch position := position.(type) {
	case kurrentdb.End:
		return true
	case kurrentdb.StreamRevision:
		return position.Value > 0
	case kurrentdb.Position:
		return position.Commit > 0
	default:
		return false
	}
}

func milliseconds(n int32) time.Duration { return time.Duration(n) * time.Millisecond }

func startOf(position any) string {
	switch position := position.(type) {
	case kurrentdb.Start:
		return "the start"
	case kurrentdb.End:
		return "the end"
	case kurrentdb.StreamRevision:
		return fmt.Sprint(position.Value)
	case kurrentdb.Position:
		return fmt.Sprint(position.Commit)
	default:
		return "unknown"
	}
}

// GroupInfo is the state of a group, for readiness and metrics. It does not include the
// number of parked events: the server's own count does not fall when parked events are
// dropped. Read the parked stream instead.
type GroupInfo struct {
	Lag       uint64 // events above the group's checkpoint that the group knows of; of a group on All, bytes of the log
	InFlight  int64  // events sent to a consumer and not yet acknowledged
	Consumers int

	maxIdleLag uint64 // the lag may stay so high: the group writes its checkpoint only after more events
	next       uint64 // revision of the first event above the checkpoint, if there is any
}

// CaughtUp reports whether the group has no events to deliver. A group that does not
// write its checkpoint after each event may have a small lag then.
func (i GroupInfo) CaughtUp() bool { return i.Lag <= i.maxIdleLag }

// GroupInfo returns the state of a group. It returns ErrNotFound if the group does not
// exist.
func (c *Client) GroupInfo(ctx context.Context, stream, group string) (GroupInfo, error) {
	info, err := c.groupInfo(ctx, stream, group)
	if err != nil {
		return GroupInfo{}, fmt.Errorf("info of group %s::%s: %w", stream, group, err)
	}
	found := GroupInfo{
		Lag:       lag(info.Stats),
		InFlight:  info.Stats.TotalInFlightMessages,
		Consumers: len(info.Connections),

		maxIdleLag: uint64(max(info.Settings.CheckpointLowerBound-1, 0)),
	}
	if done := info.Stats.LastCheckpointedEventRevision; done != nil && found.Lag > 0 {
		found.next = *done + 1
	}
	return found, nil
}

// PendingSince returns when the oldest event that a group on a stream has not finished was
// written to that stream: for a category's stream, when it was linked. It returns the zero
// time if the group has caught up. It reads at most one event.
func (c *Client) PendingSince(ctx context.Context, stream string, info GroupInfo) (since time.Time, err error) {
	if info.CaughtUp() {
		return time.Time{}, nil
	}
	err = c.ReadStream(ctx, stream, info.next, 1, func(e Event) error {
		since = e.Created
		return nil
	})
	return since, err
}

func lag(stats *kurrentdb.PersistentSubscriptionStats) uint64 {
	if known, done := stats.LastKnownPosition, stats.LastCheckpointedPosition; known != nil {
		if done == nil {
			return known.Commit
		}
		return known.Commit - min(done.Commit, known.Commit)
	}
	known, done := stats.LastKnownEventRevision, stats.LastCheckpointedEventRevision
	switch {
	case known == nil:
		return 0
	case done == nil:
		return *known + 1
	default:
		return *known - min(*done, *known)
	}
}
