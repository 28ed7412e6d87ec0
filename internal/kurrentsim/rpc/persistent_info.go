package rpc

import (
	"context"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"

	"orderflow/internal/kurrentsim/groups"
	"orderflow/internal/kurrentsim/subscription"
)

// anonymous is the user of a connection without credentials, and the name of one that gave none.
const anonymous = "anonymous"

// GetInfo describes one group.
func (s *persistentServer) GetInfo(ctx context.Context, request *persistent.GetInfoReq) (*persistent.GetInfoResp, error) {
	options := request.GetOptions()
	key := keyOf(options.GetAll(), options.GetStreamIdentifier(), options.GetGroupName())
	info, err := s.service.Groups.Info(key)
	if err != nil {
		return nil, s.service.failGroup(ctx, key, err)
	}
	return &persistent.GetInfoResp{SubscriptionInfo: toInfo(info)}, nil
}

// List describes all groups, or those of one stream, which must have some.
func (s *persistentServer) List(ctx context.Context, request *persistent.ListReq) (*persistent.ListResp, error) {
	var key groups.Key
	if only := request.GetOptions().GetListForStream(); only != nil {
		key = keyOf(only.GetAll(), only.GetStream(), "")
	}
	infos := s.service.Groups.List(key.Stream)
	if len(infos) == 0 && key.Stream != "" {
		return nil, s.service.failGroup(ctx, key, groups.ErrNotFound)
	}
	answer := &persistent.ListResp{}
	for _, info := range infos {
		answer.Subscriptions = append(answer.Subscriptions, toInfo(info))
	}
	return answer, nil
}

func toInfo(info groups.Info) *persistent.SubscriptionInfo {
	settings, stats := info.Config.Settings, info.Stats
	status := "Behind"
	if info.Live {
		status = "Live"
	}
	return &persistent.SubscriptionInfo{
		EventSource:                   info.Key.Stream,
		GroupName:                     info.Key.Group,
		Status:                        status,
		Connections:                   toConnections(stats.Consumers),
		AveragePerSecond:              int32(info.AveragePerSecond),
		TotalItems:                    stats.Total,
		LastCheckpointedEventPosition: info.Checkpointed,
		LastKnownEventPosition:        info.LastKnown,
		ResolveLinkTos:                settings.ResolveLinks,
		StartFrom:                     info.StartFrom,
		MessageTimeoutMilliseconds:    int32(settings.MessageTimeout.Milliseconds()),
		ExtraStatistics:               settings.ExtraStatistics,
		MaxRetryCount:                 int32(settings.MaxRetryCount),
		LiveBufferSize:                int32(settings.LiveBuffer),
		BufferSize:                    int32(settings.HistoryBuffer),
		ReadBatchSize:                 int32(settings.ReadBatch),
		CheckPointAfterMilliseconds:   int32(settings.CheckpointAfter.Milliseconds()),
		MinCheckPointCount:            int32(settings.MinCheckpoint),
		MaxCheckPointCount:            int32(settings.MaxCheckpoint),
		ReadBufferCount:               int32(stats.Buffered),
		RetryBufferCount:              int32(stats.Retrying),
		TotalInFlightMessages:         int32(stats.InFlight),
		OutstandingMessagesCount:      int32(stats.InFlight),
		NamedConsumerStrategy:         string(settings.Strategy),
		MaxSubscriberCount:            int32(settings.MaxSubscribers),
		ParkedMessageCount:            info.Parked,
	}
}

func toConnections(consumers []subscription.ConsumerStats) []*persistent.SubscriptionInfo_ConnectionInfo {
	var connections []*persistent.SubscriptionInfo_ConnectionInfo
	for _, c := range consumers {
		connection := &persistent.SubscriptionInfo_ConnectionInfo{
			Username: anonymous, ConnectionName: "<unknown>",
			AvailableSlots: int32(c.Available), InFlightMessages: int32(c.InFlight),
		}
		if named, ok := c.Consumer.(*groups.Connection); ok {
			connection.From = named.From
		}
		connections = append(connections, connection)
	}
	return connections
}
