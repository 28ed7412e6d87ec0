package kurrentsim_test

import (
	"slices"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func TestMultiStreamAppend(t *testing.T) {
	t.Parallel()
	to := func(stream string, expected kurrentdb.StreamState, events ...kurrentdb.EventData) kurrentdb.AppendStreamRequest {
		return kurrentdb.AppendStreamRequest{StreamName: stream, ExpectedStreamState: expected, Events: slices.Values(events)}
	}
	try := func(w *testServer, requests ...kurrentdb.AppendStreamRequest) (*kurrentdb.MultiStreamAppendResponse, error) {
		return w.client.MultiStreamAppend(w.Context(), slices.Values(requests))
	}
	t.Run("is missing before 25.1", func(t *testing.T) {
		t.Parallel()
		w := newTestServer(t, kurrentsim.Options{Version: "24.10.14"})
		_, err := try(w, to("s-1", kurrentdb.Any{}, event("a")))
		requireCode(t, err, kurrentdb.ErrorCodeUnsupportedFeature)
	})
	w := newTestServer(t, kurrentsim.Options{Version: "25.1.0"})
	w.append("s-1", kurrentdb.NoStream{}, events(2)...)
	first, second := events(2), events(1)
	both := []kurrentdb.AppendStreamRequest{
		to("s-1", kurrentdb.Revision(1), first...), to("s-2", kurrentdb.NoStream{}, second...),
	}
	done, err := try(w, both...)
	require.NoError(t, err)
	require.Equal(t, []kurrentdb.AppendResponse{{Stream: "s-1", StreamRevision: 3}, {Stream: "s-2", StreamRevision: 0}}, done.Responses)
	require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 4)
	stored := w.readStream("s-2", kurrentdb.ReadStreamOptions{})[0].Event
	require.Equal(t, second[0].EventID, stored.EventID)
	require.JSONEq(t, `{"$schema.name":"`+second[0].EventType+`","$schema.format":"Json"}`, string(stored.UserMetadata))
	require.EqualValues(t, stored.Position.Commit, done.Position)

	again, err := try(w, both...)
	require.NoError(t, err)
	require.Equal(t, done, again, "a repeat writes nothing")

	require.NoError(t, w.tombstone("gone", kurrentdb.Any{}))
	for name, c := range map[string]struct {
		second kurrentdb.AppendStreamRequest
		code   kurrentdb.ErrorCode
	}{
		"one is elsewhere": {to("s-2", kurrentdb.Revision(7), event("b")), kurrentdb.ErrorCodeStreamRevisionConflict},
		"one is deleted":   {to("gone", kurrentdb.Any{}, event("b")), kurrentdb.ErrorCodeStreamTombstoned},
		"one occurs twice": {to("s-3", kurrentdb.Any{}, event("b")), kurrentdb.ErrorAborted},
		"one is repeated":  {to("s-2", kurrentdb.NoStream{}, second...), kurrentdb.ErrorCodeStreamRevisionConflict},
	} {
		_, err := try(w, to("s-3", kurrentdb.NoStream{}, event("a")), c.second)
		failed, _ := kurrentdb.FromError(err)
		require.Equal(t, c.code, failed.Code(), "%s: %v", name, err)
		_, err = w.tryReadStream("s-3", kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	}
}
