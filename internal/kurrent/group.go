package kurrent

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
)

// maxBuffer bounds how many events a consumer can have in hand.
const maxBuffer = 10_000

// How the group keeps its checkpoint. Below it nothing is delivered again after a restart of the server, so it follows
// closely: after every event, at most once a second.
const (
	checkpointAfter = time.Second
	checkpointLower = 1
	checkpointUpper = 1_000
)

// minRetries is how often a group must deliver an event again before it parks it: each time an outage makes a consumer
// leave counts as one, and at one every few seconds this many last for months.
const minRetries = 1_000_000

// GroupSettings describe a persistent subscription's group. What is not here is fixed: from the start of the stream,
// links resolved, RoundRobin, and retried for ever, because an event that is good is never parked for lack of patience.
type GroupSettings struct {
	Stream         string
	Group          string
	MessageTimeout time.Duration // after it, an event without an answer is delivered again; whole milliseconds, 1 s to 24 h
	BufferSize     int           // about what all consumers together work on at once, 1 to 10,000
}

func (g GroupSettings) validate() error {
	switch {
	case g.Stream == "" || g.Group == "":
		return fmt.Errorf("%w: group and stream must be named", ErrInvalid)
	case g.MessageTimeout < time.Second || g.MessageTimeout > 24*time.Hour:
		return fmt.Errorf("%w: message timeout must be from 1s to 24h", ErrInvalid)
	case g.BufferSize < 1 || g.BufferSize > maxBuffer:
		return fmt.Errorf("%w: buffer size must be from 1 to %d", ErrInvalid, maxBuffer)
	}
	return nil
}

func (g GroupSettings) wanted() kurrentdb.PersistentSubscriptionSettings {
	wanted := kurrentdb.SubscriptionSettingsDefault()
	wanted.StartFrom = kurrentdb.Start{} // only to compare with: where a group starts is not among what is sent from here
	wanted.ResolveLinkTos = true
	wanted.MaxRetryCount = math.MaxInt32
	wanted.MessageTimeout = int32(g.MessageTimeout.Milliseconds())
	wanted.CheckpointAfter = int32(checkpointAfter.Milliseconds())
	wanted.CheckpointLowerBound = checkpointLower
	wanted.CheckpointUpperBound = checkpointUpper
	wanted.ReadBatchSize = int32(g.BufferSize)
	wanted.HistoryBufferSize = int32(2 * g.BufferSize) // the server wants it larger than a batch
	wanted.LiveBufferSize = int32(2 * g.BufferSize)
	return wanted
}

// Difference is a setting in which a group is not as asked for.
type Difference struct {
	Text  string // what it is and should be, with the reason if it loses events
	Loses bool   // good events are never delivered, are delivered as something else, or are parked
}

// unreadableSettings is the one difference of a group whose settings may not be read.
func unreadableSettings() []Difference {
	return []Difference{{Text: "settings cannot be compared: no right to read them"}}
}

// CompareGroup returns where a group is not as settings ask for. It returns ErrNotFound if there is no such group; without
// the right to read the settings, the difference says just that.
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

// EnsureGroup creates the group when it is missing. One that is there is never changed: differences says where it is not
// as settings ask for. Without the right to create it is ErrAccessDenied when the group is missing; without the right to
// look at it, differences says just that.
func (c *Client) EnsureGroup(ctx context.Context, settings GroupSettings) (differences []Difference, created bool, err error) {
	if err := settings.validate(); err != nil {
		return nil, false, fmt.Errorf("group %s::%s: %w", settings.Stream, settings.Group, err)
	}
	info, err := c.groupInfo(ctx, settings.Stream, settings.Group)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrAccessDenied) {
		createErr := c.createGroup(ctx, settings)
		switch {
		case createErr == nil:
			return nil, true, nil
		case errors.Is(createErr, ErrGroupExists): // created by another between the two calls, or not for us to see
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
		options := kurrentdb.PersistentStreamSubscriptionOptions{Settings: &wanted, StartFrom: kurrentdb.Start{}}
		return client.CreatePersistentSubscription(ctx, settings.Stream, settings.Group, options)
	})
}

func (c *Client) groupInfo(ctx context.Context, stream, group string) (info *kurrentdb.PersistentSubscriptionInfo, err error) {
	err = c.call(ctx, func(ctx context.Context, client *kurrentdb.Client) (err error) {
		info, err = client.GetPersistentSubscriptionInfo(ctx, stream, group, kurrentdb.GetPersistentSubscriptionOptions{})
		if err == nil && (info.Settings == nil || info.Stats == nil) { // old servers answer over HTTP, and may leave them out
			err = errors.New("group is described without its settings or statistics")
		}
		return err
	})
	return info, err
}

// compare says where a group differs, in the order in which it matters.
func compare(got, want kurrentdb.PersistentSubscriptionSettings) []Difference {
	var differences []Difference
	for _, setting := range []struct {
		name      string
		got, want any
		loses     bool   // if it differs
		why       string // it loses
	}{
		{"start", startOf(got.StartFrom), startOf(want.StartFrom), beginsLate(got.StartFrom), "events before it are never delivered"},
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

// beginsLate reports whether a group is known to begin behind the start of its stream.
func beginsLate(position any) bool {
	switch position := position.(type) {
	case kurrentdb.End:
		return true
	case kurrentdb.StreamRevision:
		return position.Value > 0
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
	default:
		return "unknown"
	}
}

// GroupInfo is how a group is doing, for readiness and metrics. How many events are parked it does not say: the server's own
// count does not fall when parked events are dropped. Read the parked stream.
type GroupInfo struct {
	Lag       uint64 // events of the stream above the group's checkpoint, as far as the group has heard of them
	Resting   uint64 // a lag up to this is none: the group writes its checkpoint only after more
	InFlight  int64  // events sent to a consumer and not yet answered
	Consumers int
}

// GroupInfo asks how a group is doing. A group that does not exist is ErrNotFound.
func (c *Client) GroupInfo(ctx context.Context, stream, group string) (GroupInfo, error) {
	info, err := c.groupInfo(ctx, stream, group)
	if err != nil {
		return GroupInfo{}, fmt.Errorf("info of group %s::%s: %w", stream, group, err)
	}
	return GroupInfo{
		Lag:       lag(info.Stats),
		Resting:   uint64(max(info.Settings.CheckpointLowerBound-1, 0)),
		InFlight:  info.Stats.TotalInFlightMessages,
		Consumers: len(info.Connections),
	}, nil
}

func lag(stats *kurrentdb.PersistentSubscriptionStats) uint64 {
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
