package rpc

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/subscription"
)

type persistentServer struct {
	persistent.UnimplementedPersistentSubscriptionsServer
	service *Service
}

// Create makes a group.
func (s *persistentServer) Create(ctx context.Context, request *persistent.CreateReq) (*persistent.CreateResp, error) {
	options := request.GetOptions()
	key := groups.Key{Group: options.GetGroupName()}
	config := groups.Config{Settings: createSettings(options.GetSettings())}
	var err error
	if all := options.GetAll(); all != nil {
		key.Stream = groups.All
		setAllStart(&config, all.GetPosition(), all.GetEnd())
		config.Filter, err = createFilter(all)
	} else {
		//nolint:staticcheck // where clients before 21.10 put them, and the Node client still
		legacy, revision := options.GetStreamIdentifier(), options.GetSettings().GetRevision()
		if options.GetStream() != nil {
			revision = options.GetStream().GetRevision()
		}
		key.Stream, err = streamOf(options.GetStream().GetStreamIdentifier(), legacy)
		setStreamStart(&config, revision, options.GetStream().GetEnd())
	}
	switch {
	case err != nil:
	case key.Stream == "":
		err = errNeverAnswered
	default:
		err = s.service.Groups.Create(key, config)
	}
	if err != nil {
		return nil, s.service.failGroup(ctx, key, err)
	}
	return &persistent.CreateResp{}, nil
}

// Update replaces a group's settings.
func (s *persistentServer) Update(ctx context.Context, request *persistent.UpdateReq) (*persistent.UpdateResp, error) {
	options := request.GetOptions()
	key := groups.Key{Group: options.GetGroupName()}
	config := groups.Config{Settings: updateSettings(options.GetSettings())}
	var err error
	if all := options.GetAll(); all != nil {
		key.Stream = groups.All
		setAllStart(&config, all.GetPosition(), all.GetEnd())
	} else {
		//nolint:staticcheck // where clients before 21.10 put them, and the Node client still
		legacy, revision := options.GetStreamIdentifier(), options.GetSettings().GetRevision()
		if options.GetStream() != nil {
			revision = options.GetStream().GetRevision()
		}
		key.Stream, err = streamOf(options.GetStream().GetStreamIdentifier(), legacy)
		setStreamStart(&config, revision, options.GetStream().GetEnd())
	}
	if err == nil {
		err = s.service.Groups.Update(key, config)
	}
	if err != nil {
		return nil, s.service.failGroup(ctx, key, err)
	}
	return &persistent.UpdateResp{}, nil
}

// Delete removes a group.
func (s *persistentServer) Delete(ctx context.Context, request *persistent.DeleteReq) (*persistent.DeleteResp, error) {
	options := request.GetOptions()
	key := keyOf(options.GetAll(), options.GetStreamIdentifier(), options.GetGroupName())
	if err := s.service.Groups.Delete(key); err != nil {
		return nil, s.service.failGroup(ctx, key, err)
	}
	return &persistent.DeleteResp{}, nil
}

// ReplayParked offers parked messages again.
func (s *persistentServer) ReplayParked(ctx context.Context, request *persistent.ReplayParkedReq) (*persistent.ReplayParkedResp, error) {
	options := request.GetOptions()
	key := keyOf(options.GetAll(), options.GetStreamIdentifier(), options.GetGroupName())
	stopAt := int64(-1)
	var err error
	if _, limited := options.GetStopAtOption().(*persistent.ReplayParkedReq_Options_StopAt); limited {
		if stopAt = options.GetStopAt(); stopAt < 0 {
			err = &groups.InvalidError{Reason: "Cannot stop replaying parked message at a negative version."}
		}
	}
	if err == nil {
		err = s.service.Groups.Replay(key, stopAt)
	}
	if err != nil {
		return nil, s.service.failGroup(ctx, key, err)
	}
	return &persistent.ReplayParkedResp{}, nil
}

// RestartSubsystem loads all groups again.
func (s *persistentServer) RestartSubsystem(ctx context.Context, _ *shared.Empty) (*shared.Empty, error) {
	if err := s.service.Groups.Restart(); err != nil {
		return nil, s.service.fail(ctx, err)
	}
	return &shared.Empty{}, nil
}

func keyOf(all *shared.Empty, stream *shared.StreamIdentifier, group string) groups.Key {
	if all != nil {
		return groups.Key{Stream: groups.All, Group: group}
	}
	return groups.Key{Stream: nameOf(stream), Group: group}
}

// Results for a group on a stream with a name that groups cannot have.
var (
	errAllAsStream = status.Error(codes.Unknown, "Envelope callback expected either CreatePersistentSubscriptionToAllCompleted or "+
		"NotHandled, received CreatePersistentSubscriptionToStreamCompleted instead")
	errNeverAnswered = errors.New("the call is not answered")
)

// streamOf returns the stream from the field that clients since 21.10 use, or from the
// one that older clients use.
func streamOf(current, legacy *shared.StreamIdentifier) (string, error) {
	if current == nil {
		current = legacy
	}
	switch name := nameOf(current); {
	case current == nil:
		return "", errThrown
	case name == groups.All:
		return name, errAllAsStream
	default:
		return name, nil
	}
}

// setStreamStart also takes the largest possible revision for the end: the settings
// express the end that way.
func setStreamStart(config *groups.Config, revision uint64, end *shared.Empty) {
	config.FromEnd = end != nil || revision == math.MaxUint64
	config.From = int64(min(revision, math.MaxInt64-1))
}

// position is any of the types with a commit position.
type position interface{ GetCommitPosition() uint64 }

func setAllStart(config *groups.Config, from position, end *shared.Empty) {
	config.FromEnd = end != nil
	config.From = int64(min(from.GetCommitPosition(), math.MaxInt64-1))
}

func createFilter(options *persistent.CreateReq_AllOptions) (*groups.Filter, error) {
	filter := options.GetFilter()
	if filter == nil {
		return nil, nil
	}
	expression, byType := filter.GetEventType(), true
	if expression == nil {
		expression, byType = filter.GetStreamIdentifier(), false
	}
	if expression == nil {
		return nil, &groups.InvalidError{Reason: "filter is missing"}
	}
	return &groups.Filter{ByType: byType, Prefixes: expression.GetPrefix(), Expression: expression.GetRegex()}, nil
}

// settings is the common part of Create and Update.
type settings interface {
	GetResolveLinks() bool
	GetExtraStatistics() bool
	GetMaxRetryCount() int32
	GetMinCheckpointCount() int32
	GetMaxCheckpointCount() int32
	GetMaxSubscriberCount() int32
	GetLiveBufferSize() int32
	GetReadBatchSize() int32
	GetHistoryBufferSize() int32
	GetMessageTimeoutTicks() int64
	GetMessageTimeoutMs() int32
	GetCheckpointAfterTicks() int64
	GetCheckpointAfterMs() int32
}

func commonSettings(s settings, strategy subscription.Strategy) subscription.Settings {
	return subscription.Settings{
		ResolveLinks:    s.GetResolveLinks(),
		ExtraStatistics: s.GetExtraStatistics(),
		MaxRetryCount:   int(s.GetMaxRetryCount()),
		MinCheckpoint:   int(s.GetMinCheckpointCount()),
		MaxCheckpoint:   int(s.GetMaxCheckpointCount()),
		MaxSubscribers:  int(s.GetMaxSubscriberCount()),
		LiveBuffer:      int(s.GetLiveBufferSize()),
		ReadBatch:       int(s.GetReadBatchSize()),
		HistoryBuffer:   int(s.GetHistoryBufferSize()),
		MessageTimeout:  span(s.GetMessageTimeoutTicks(), s.GetMessageTimeoutMs()),
		CheckpointAfter: span(s.GetCheckpointAfterTicks(), s.GetCheckpointAfterMs()),
		Strategy:        strategy,
	}
}

// span returns a duration given in 100-nanosecond ticks or in milliseconds, one of which
// is zero.
func span(ticks int64, milliseconds int32) time.Duration {
	if ticks != 0 {
		return time.Duration(min(ticks, math.MaxInt64/100)) * 100
	}
	return time.Duration(milliseconds) * time.Millisecond
}

func createSettings(s *persistent.CreateReq_Settings) subscription.Settings {
	strategy := subscription.Strategy(s.GetConsumerStrategy())
	if strategy == "" {
		//nolint:staticcheck // the field clients before 21.10 send
		strategy = subscription.Strategy(s.GetNamedConsumerStrategy().String())
	}
	return commonSettings(s, strategy)
}

func updateSettings(s *persistent.UpdateReq_Settings) subscription.Settings {
	return commonSettings(s, subscription.Strategy(s.GetNamedConsumerStrategy().String()))
}
