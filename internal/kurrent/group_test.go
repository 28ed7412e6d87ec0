package kurrent_test

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/kurrent-io/KurrentDB-Client-Go/protos/kurrentdb/protocols/v1/persistent"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestEnsureGroup(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	differences, created, err := client.EnsureGroup(t.Context(), bridgeGroup)
	require.NoError(t, err)
	require.True(t, created)
	require.Empty(t, differences)
	differences, created, err = client.EnsureGroup(t.Context(), bridgeGroup)
	require.NoError(t, err)
	require.False(t, created)
	require.Empty(t, differences, "a group reads back as it was made")
	other := bridgeGroup
	other.MessageTimeout = time.Minute
	differences, created, err = client.EnsureGroup(t.Context(), other)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, []kurrent.Difference{{Text: "messageTimeout is 4m0s, want 1m0s"}}, differences)
}

func TestEnsureGroup_Differences(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	options := kurrentdb.PersistentStreamSubscriptionOptions{} // the client's own defaults: from the end, ten retries, no links
	err := kurrentsimtest.OfficialClient(t, server.URL()).CreatePersistentSubscription(t.Context(), bridgeGroup.Stream, bridgeGroup.Group, options)
	require.NoError(t, err)
	differences, created, err := kurrentsimtest.OpenClient(t, server.URL()).EnsureGroup(t.Context(), bridgeGroup)
	require.NoError(t, err)
	require.False(t, created)
	want := []kurrent.Difference{
		{Text: "start is the end, want the start: events before it are never delivered", Loses: true},
		{Text: "resolveLinkTos is false, want true: links are delivered in place of events", Loses: true},
		{Text: "maxRetryCount is 10, want 2147483647: an outage parks good events unless it is at least 1000000", Loses: true},
		{Text: "messageTimeout is 30s, want 4m0s: an event is delivered again while a consumer still works on it", Loses: true},
		{Text: "checkpointAfter is 2s, want 1s"},
		{Text: "checkpointLowerBound is 10, want 1"},
		{Text: "readBatchSize is 20, want 8"},
		{Text: "historyBufferSize is 500, want 16"},
		{Text: "liveBufferSize is 500, want 16"},
	}
	require.Equal(t, want, differences)
	differences, err = kurrentsimtest.OpenClient(t, server.URL()).CompareGroup(t.Context(), bridgeGroup)
	require.NoError(t, err)
	require.Equal(t, want, differences)
}

func TestEnsureGroup_Rights(t *testing.T) {
	t.Parallel()
	const (
		create = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/Create"
		info   = "/event_store.client.persistent_subscriptions.PersistentSubscriptions/GetInfo"
	)
	for name, c := range map[string]struct {
		answers     map[string]codes.Code
		differences []kurrent.Difference
		want        error
	}{
		"it is missing":                       {answers: map[string]codes.Code{info: codes.NotFound, create: codes.PermissionDenied}, want: kurrent.ErrAccessDenied},
		"it exists and may be read":           {answers: map[string]codes.Code{info: codes.OK, create: codes.PermissionDenied}, differences: []kurrent.Difference{{Text: "start is unknown, want the start"}}},
		"it exists and may not be read":       {answers: map[string]codes.Code{info: codes.PermissionDenied, create: codes.AlreadyExists}, differences: []kurrent.Difference{{Text: "settings cannot be compared: no right to read them"}}},
		"it may be neither read nor created":  {answers: map[string]codes.Code{info: codes.PermissionDenied, create: codes.PermissionDenied}, differences: []kurrent.Difference{{Text: "settings cannot be compared: no right to read them"}}},
		"the server is unavailable":           {answers: map[string]codes.Code{info: codes.Unavailable}, want: kurrent.ErrUnavailable},
		"the server becomes unavailable":      {answers: map[string]codes.Code{info: codes.NotFound, create: codes.Unavailable}, want: kurrent.ErrUnavailable},
		"another client creates it meanwhile": {answers: map[string]codes.Code{info: codes.NotFound, create: codes.AlreadyExists}, want: kurrent.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(method string, stream grpc.ServerStream) error {
				if code := c.answers[method]; code != codes.OK {
					return status.Error(code, "no")
				}
				return stream.SendMsg(&persistent.GetInfoResp{SubscriptionInfo: wantedInfo()})
			}))
			differences, created, err := client.EnsureGroup(t.Context(), bridgeGroup)
			require.ErrorIs(t, err, c.want)
			require.False(t, created)
			require.Equal(t, c.differences, differences)
		})
	}
}

// wantedInfo returns a group like bridgeGroup except for its start, which the client
// cannot parse.
func wantedInfo() *persistent.SubscriptionInfo {
	return &persistent.SubscriptionInfo{
		StartFrom: "C:1/P:1", ResolveLinkTos: true, MaxRetryCount: 1<<31 - 1, MessageTimeoutMilliseconds: 240_000,
		NamedConsumerStrategy: "RoundRobin", CheckPointAfterMilliseconds: 1000, MinCheckPointCount: 1, MaxCheckPointCount: 1000,
		ReadBatchSize: 8, BufferSize: 16, LiveBufferSize: 16,
	}
}

func TestEnsureGroup_InvalidSettings(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.URL(kurrentsimtest.ClosedAddress(t)))
	for name, change := range map[string]func(*kurrent.GroupSettings){
		"no stream":                           func(s *kurrent.GroupSettings) { s.Stream = "" },
		"no group":                            func(s *kurrent.GroupSettings) { s.Group = "" },
		"a message timeout that is too short": func(s *kurrent.GroupSettings) { s.MessageTimeout = time.Millisecond },
		"a message timeout that overflows":    func(s *kurrent.GroupSettings) { s.MessageTimeout = 1000 * time.Hour },
		"no buffer":                           func(s *kurrent.GroupSettings) { s.BufferSize = 0 },
		"a huge buffer":                       func(s *kurrent.GroupSettings) { s.BufferSize = 1 << 20 },
	} {
		settings := bridgeGroup
		change(&settings)
		_, _, err := client.EnsureGroup(t.Context(), settings)
		require.ErrorIs(t, err, kurrent.ErrInvalid, name)
	}
	_, err := client.Join(t.Context(), "s", "g", 0)
	require.ErrorIs(t, err, kurrent.ErrInvalid)
}
