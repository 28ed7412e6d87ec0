package rpc

import (
	"context"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"

	"orderflow/dev/kurrentsim/groups"
	"orderflow/dev/kurrentsim/subscription"
)

// The user name of a connection through a port without users, and of one without
// credentials through a port with users.
const (
	systemUser    = "system"
	anonymousUser = "anonymous"
)

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

// List describes all groups, or those of one stream, which must have had some.
func (s *persistentServer) List(ctx context.Context, request *persistent.ListReq) (*persistent.ListResp, error) {
	var key groups.Key
	if only := request.GetOptions().GetListForStream(); only != nil {
		key = keyOf(only.GetAll(), only.GetStream(), "")
	}
	infos, err := s.list(key.Stream)
	if err != nil {
		return nil, s.service.failGroup(ctx, key, err)
	}
	answer := &persistent.ListResp{}
	for _, info := range infos {
		answer.Subscriptions = append(answer.Subscriptions, toInfo(info))
	}
	return answer, nil
}

func (s *persistentServer) list(stream string) ([]groups.Info, error) {
	if stream == "" {
		return s.service.Groups.List(""), nil
	}
	return s.service.Groups.ListStream(stream)
}

func statusOf(info groups.Info) string {
	switch {
	case info.Live:
		return "Live"
	case info.Reading:
		return "Behind, OutstandingPageRequest"
	}
	return "Behind"
}

func toInfo(info groups.Info) *persistent.SubscriptionInfo {
	settings, stats := info.Config.Settings, info.Stats
	return &persistent.SubscriptionInfo{
		EventSource:                   info.Key.Stream,
		GroupName:                     info.Key.Group,
		Status:                        statusOf(info),
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
		LiveBufferCount:               int64(info.Pushed),
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
			From: "empty", TotalItems: c.Total,
			AvailableSlots: int32(c.Available), InFlightMessages: int32(c.InFlight),
		}
		if named, ok := c.Consumer.(*groups.Connection); ok {
			connection.Username, connection.ConnectionName = named.User, named.Name
		}
		for _, m := range c.Measurements {
			connection.ObservedMeasurements = append(connection.ObservedMeasurements,
				&persistent.SubscriptionInfo_Measurement{Key: m.Name, Value: m.Milliseconds})
		}
		connections = append(connections, connection)
	}
	return connections
}
