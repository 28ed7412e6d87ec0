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

	"orderflow/internal/kurrent"
)

func TestAGroupIsMadeOnceAndThenOnlyCompared(t *testing.T) {
	t.Parallel()
	client := open(t, sim(t).url())
	differences, created, err := client.EnsureGroup(t.Context(), bridge)
	require.NoError(t, err)
	require.True(t, created)
	require.Empty(t, differences)
	differences, created, err = client.EnsureGroup(t.Context(), bridge)
	require.NoError(t, err)
	require.False(t, created)
	require.Empty(t, differences, "a group reads back as it was made")
	other := bridge
	other.MessageTimeout = time.Minute
	differences, created, err = client.EnsureGroup(t.Context(), other)
	require.NoError(t, err)
	require.False(t, created)
	require.Equal(t, []kurrent.Difference{{Text: "messageTimeout is 4m0s, want 1m0s"}}, differences)
}

func TestAGroupThatWasMadeByHandIsDescribed(t *testing.T) {
	t.Parallel()
	server := sim(t)
	options := kurrentdb.PersistentStreamSubscriptionOptions{} // the client's own ideas: from the end, ten retries, no links
	err := bare(t, server.url()).CreatePersistentSubscription(t.Context(), bridge.Stream, bridge.Group, options)
	require.NoError(t, err)
	differences, created, err := open(t, server.url()).EnsureGroup(t.Context(), bridge)
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
	differences, err = open(t, server.url()).CompareGroup(t.Context(), bridge)
	require.NoError(t, err)
	require.Equal(t, want, differences)
}

func TestTheRightToMakeAGroupIsNeededOnlyWhenItIsMissing(t *testing.T) {
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
		"it is missing":                    {answers: map[string]codes.Code{info: codes.NotFound, create: codes.PermissionDenied}, want: kurrent.ErrAccessDenied},
		"it is there and may be looked at": {answers: map[string]codes.Code{info: codes.OK, create: codes.PermissionDenied}, differences: []kurrent.Difference{{Text: "start is unknown, want the start"}}},
		"it is there and out of sight":     {answers: map[string]codes.Code{info: codes.PermissionDenied, create: codes.AlreadyExists}, differences: []kurrent.Difference{{Text: "settings cannot be compared: no right to read them"}}},
		"nobody may say whether it is":     {answers: map[string]codes.Code{info: codes.PermissionDenied, create: codes.PermissionDenied}, differences: []kurrent.Difference{{Text: "settings cannot be compared: no right to read them"}}},
		"the server is away":               {answers: map[string]codes.Code{info: codes.Unavailable}, want: kurrent.ErrUnavailable},
		"the server goes away":             {answers: map[string]codes.Code{info: codes.NotFound, create: codes.Unavailable}, want: kurrent.ErrUnavailable},
		"it is made by another meanwhile":  {answers: map[string]codes.Code{info: codes.NotFound, create: codes.AlreadyExists}, want: kurrent.ErrNotFound},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := open(t, startStub(t, func(method string, stream grpc.ServerStream) error {
				if code := c.answers[method]; code != codes.OK {
					return status.Error(code, "no")
				}
				return stream.SendMsg(&persistent.GetInfoResp{SubscriptionInfo: asWanted()})
			}))
			differences, created, err := client.EnsureGroup(t.Context(), bridge)
			require.ErrorIs(t, err, c.want)
			require.False(t, created)
			require.Equal(t, c.differences, differences)
		})
	}
}

// asWanted is a group like bridge but for its start, in words the client cannot read.
func asWanted() *persistent.SubscriptionInfo {
	return &persistent.SubscriptionInfo{
		StartFrom: "C:1/P:1", ResolveLinkTos: true, MaxRetryCount: 1<<31 - 1, MessageTimeoutMilliseconds: 240_000,
		NamedConsumerStrategy: "RoundRobin", CheckPointAfterMilliseconds: 1000, MinCheckPointCount: 1, MaxCheckPointCount: 1000,
		ReadBatchSize: 8, BufferSize: 16, LiveBufferSize: 16,
	}
}

func TestSettingsThatCannotWorkAreRefused(t *testing.T) {
	t.Parallel()
	client := open(t, urlOf(refusing(t)))
	for name, spoil := range map[string]func(*kurrent.GroupSettings){
		"no stream":               func(s *kurrent.GroupSettings) { s.Stream = "" },
		"no group":                func(s *kurrent.GroupSettings) { s.Group = "" },
		"no patience":             func(s *kurrent.GroupSettings) { s.MessageTimeout = time.Millisecond },
		"patience that overflows": func(s *kurrent.GroupSettings) { s.MessageTimeout = 1000 * time.Hour },
		"no buffer":               func(s *kurrent.GroupSettings) { s.BufferSize = 0 },
		"a huge buffer":           func(s *kurrent.GroupSettings) { s.BufferSize = 1 << 20 },
	} {
		settings := bridge
		spoil(&settings)
		_, _, err := client.EnsureGroup(t.Context(), settings)
		require.ErrorIs(t, err, kurrent.ErrInvalid, name)
	}
	_, err := client.Join(t.Context(), "s", "g", 0)
	require.ErrorIs(t, err, kurrent.ErrInvalid)
}
