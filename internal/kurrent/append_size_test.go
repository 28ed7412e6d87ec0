package kurrent_test

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

// eventOfSize returns an event of that many bytes, as the server's limit counts them.
func eventOfSize(size int) kurrent.NewEvent {
	e := kurrentsimtest.Event("tested", "")
	e.Data = []byte(`"` + strings.Repeat("x", size-2*len(e.Type)-2) + `"`)
	return e
}

func TestAppend_Size(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		version string
		events  []kurrent.NewEvent
		refusal string
	}{
		"one MiB is accepted by every server":  {"24.10.14", []kurrent.NewEvent{eventOfSize(1 << 20)}, ""},
		"a byte more is too large":             {"24.10.14", []kurrent.NewEvent{eventOfSize(1<<20 + 1)}, "1048577 bytes"},
		"events are one append":                {"24.10.14", []kurrent.NewEvent{eventOfSize(600 << 10), eventOfSize(600 << 10)}, "1228800 bytes"},
		"from 25.1 on it may be larger":        {"25.1.0", []kurrent.NewEvent{eventOfSize(7 << 20), eventOfSize(7 << 20)}, ""},
		"a message has its limit on every one": {"25.1.0", []kurrent.NewEvent{eventOfSize(15<<20 + 1)}, "15728641 bytes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServerWith(t, kurrentsim.Options{Version: c.version}).URL())
			_, err := client.Append(t.Context(), "append-1", kurrent.NoStream(), c.events...)
			if c.refusal == "" {
				require.NoError(t, err)
				require.Equal(t, sequence(0, uint64(len(c.events)-1)), revisions(t, client, "append-1", 0, 0))
				return
			}
			require.ErrorIs(t, err, kurrent.ErrTooLarge)
			require.ErrorContains(t, err, c.refusal)
			require.ErrorIs(t, client.ReadStream(t.Context(), "append-1", 0, 0, nil), kurrent.ErrNotFound)
		})
	}
}

func TestAppend_CutOff(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		size  int
		want  error
		calls int32
	}{
		"a large one that is cut off again is too large": {9 << 20, kurrent.ErrTooLarge, 2},
		"a small one is an outage":                       {1 << 20, kurrent.ErrUnavailable, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var calls atomic.Int32
			client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(_ string, stream grpc.ServerStream) error {
				calls.Add(1)
				return status.Error(codes.InvalidArgument, "") // before the client has sent all
			}))
			_, err := client.Append(t.Context(), "append-1", kurrent.NoStream(), eventOfSize(c.size/2), eventOfSize(c.size/2))
			require.ErrorIs(t, err, c.want)
			require.Equal(t, c.calls, calls.Load())
		})
	}
}

func TestStreamName_OutsideASCII(t *testing.T) {
	t.Parallel()
	const name = "credit-Käthe"
	t.Run("belongs to a stream like any other", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		require.NoError(t, appendOne(t.Context(), client, name))
		require.Equal(t, sequence(0, 0), revisions(t, client, name, 0, 0))
		_, err := client.Append(t.Context(), name, kurrent.NoStream(), kurrentsimtest.Event("tested", `{}`))
		require.ErrorIs(t, err, kurrent.ErrWrongRevision)
	})
	t.Run("of a deleted stream", func(t *testing.T) {
		t.Parallel()
		server := kurrentsimtest.StartServer(t)
		client := kurrentsimtest.OpenClient(t, server.URL())
		require.NoError(t, appendOne(t.Context(), client, name))
		_, err := kurrentsimtest.OfficialClient(t, server.URL()).TombstoneStream(t.Context(), name, kurrentdb.TombstoneStreamOptions{})
		require.NoError(t, err)
		require.ErrorIs(t, appendOne(t.Context(), client, name), kurrent.ErrDeleted)
		require.ErrorIs(t, client.ReadStream(t.Context(), name, 0, 0, nil), kurrent.ErrDeleted)
		_, err = client.LastEvent(t.Context(), name)
		require.ErrorIs(t, err, kurrent.ErrDeleted)
		server.Stop()
		require.ErrorIs(t, appendOne(t.Context(), client, name), kurrent.ErrUnavailable)
	})
	t.Run("does not turn an outage into a deletion", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(string, grpc.ServerStream) error {
			return status.Error(codes.Unknown, "unexpected HTTP status code received from server: 500 (Internal Server Error)")
		}))
		require.ErrorIs(t, appendOne(t.Context(), client, name), kurrent.ErrUnavailable)
		require.ErrorIs(t, client.ReadStream(t.Context(), name, 0, 0, nil), kurrent.ErrUnavailable)
	})
}
