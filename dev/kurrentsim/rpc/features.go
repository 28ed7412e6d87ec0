package rpc

import (
	"context"

	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/serverfeatures"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/shared"
)

type features struct {
	serverfeatures.UnimplementedServerFeaturesServer
	release     Release
	projections bool
}

// GetSupportedMethods is the first call of every client. All names are lower case, as a
// real server writes them.
func (f features) GetSupportedMethods(context.Context, *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	const (
		streams    = "event_store.client.streams.streams"
		persistent = "event_store.client.persistent_subscriptions.persistentsubscriptions"
		projected  = "event_store.client.projections.projections"
		own        = "event_store.client.server_features.serverfeatures"
		streamsV2  = "kurrentdb.protocol.v2.streams.streamsservice"
		gossiping  = "event_store.client.gossip.gossip"
	)
	answer := &serverfeatures.SupportedMethods{EventStoreServerVersion: f.release.text}
	add := func(service string, features []string, methods ...string) {
		for _, method := range methods {
			answer.Methods = append(answer.Methods, &serverfeatures.SupportedMethod{
				ServiceName: service, MethodName: method, Features: features,
			})
		}
	}
	add(streams, []string{"position", "events"}, "read")
	add(streams, nil, "append", "delete", "tombstone")
	add(streams, []string{"deadline_duration"}, "batchappend")
	add(persistent, []string{"stream", "all"},
		"create", "update", "delete", "read", "getinfo", "list", "replayparked", "restartsubsystem")
	if f.projections {
		add(projected, nil, "statistics", "enable", "disable")
	}
	if f.release.multiAppend {
		add(streamsV2, nil, "appendsession")
	}
	add(own, nil, "getsupportedmethods")
	add(gossiping, nil, "read")
	return answer, nil
}
