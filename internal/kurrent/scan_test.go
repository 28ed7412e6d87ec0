package kurrent_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/dev/kurrentsim/store"
	"orderflow/internal/kurrent"
)

// writeStreams appends count streams with two events each, of which the second has the
// wanted type.
func writeStreams(t *testing.T, client *kurrent.Client, from, count int) (streams []string) {
	t.Helper()
	for i := range count {
		stream := fmt.Sprintf("order-%d", from+i)
		_, err := client.Append(t.Context(), stream, kurrent.NoStream(), kurrentsimtest.Event("wanted-not", `{}`), kurrentsimtest.Event("wanted", `{}`))
		require.NoError(t, err)
		streams = append(streams, stream)
	}
	return streams
}

func scanStreams(t *testing.T, client *kurrent.Client, scan kurrent.Scan) (streams []string) {
	t.Helper()
	require.NoError(t, client.Scan(t.Context(), scan, func(e kurrent.Event) error {
		require.Equal(t, "wanted", e.Type)
		streams = append(streams, e.Stream)
		return nil
	}))
	return streams
}

func TestScan(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServerWith(t, kurrentsim.Options{HiddenLinks: []store.Target{{Stream: "order-3", Revision: 1}}, ProjectionDelay: time.Hour})
	client := kurrentsimtest.OpenClient(t, server.URL())
	require.Empty(t, scanStreams(t, client, kurrent.Scan{Types: []string{"wanted"}}), "there are no events of that type")
	want := writeStreams(t, client, 0, 700)
	require.Equal(t, want, scanStreams(t, client, kurrent.Scan{Types: []string{"wanted"}}), "late and hidden links do not matter")
}

func TestScan_Since(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	writeStreams(t, client, 0, 400)
	since := time.Now()
	want := writeStreams(t, client, 400, 3)
	require.Equal(t, want, scanStreams(t, client, kurrent.Scan{Types: []string{"wanted"}, Since: since}))
	require.Empty(t, scanStreams(t, client, kurrent.Scan{Types: []string{"wanted"}, Since: time.Now()}))
	require.Len(t, scanStreams(t, client, kurrent.Scan{Types: []string{"wanted"}, Since: since.Add(-time.Hour)}), 403)
}

func TestScan_Resumes(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	p := startProxy(t, server.Addr())
	want := writeStreams(t, kurrentsimtest.OpenClient(t, server.URL()), 0, 2_000)
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.URL(p.Addr()))
	var got []string
	require.NoError(t, client.Scan(t.Context(), kurrent.Scan{Types: []string{"wanted"}}, func(e kurrent.Event) error {
		got = append(got, e.Stream)
		if len(got)%300 == 0 {
			p.Cut()
		}
		return nil
	}))
	require.Equal(t, want, got, "each event once")
}

func TestScan_Ends(t *testing.T) {
	t.Parallel()
	wanted := kurrent.Scan{Types: []string{"wanted"}}
	none := func(kurrent.Event) error { return nil }

	t.Run("with the error of visit", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		writeStreams(t, client, 0, 3)
		enough := errors.New("enough")
		visits := 0
		require.ErrorIs(t, client.Scan(t.Context(), wanted, func(kurrent.Event) error { visits++; return enough }), enough)
		require.Equal(t, 1, visits)
	})
	t.Run("when no server responds", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.URL(kurrentsimtest.ClosedAddress(t)))
		short, err := kurrent.Open(kurrent.Config{URL: kurrentsimtest.URL(kurrentsimtest.ClosedAddress(t)), AllowPlaintext: true, CallTimeout: 100 * time.Millisecond})
		require.NoError(t, err)
		t.Cleanup(short.Close)
		kurrentsimtest.RequireWithin(t, kurrentsimtest.WaitLimit, func() { require.ErrorIs(t, short.Scan(t.Context(), wanted, none), kurrent.ErrUnavailable) })
		client.Close()
		require.ErrorIs(t, client.Scan(t.Context(), wanted, none), kurrent.ErrClosed)
	})
	t.Run("when it has no right to read the log", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartStub(t, func(string, grpc.ServerStream) error { return status.Error(codes.PermissionDenied, "no") }))
		require.ErrorIs(t, client.Scan(t.Context(), wanted, none), kurrent.ErrAccessDenied)
		since := kurrent.Scan{Types: wanted.Types, Since: time.Now()}
		require.ErrorIs(t, client.Scan(t.Context(), since, none), kurrent.ErrAccessDenied)
	})
	t.Run("when its client is closed", func(t *testing.T) {
		t.Parallel()
		client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
		writeStreams(t, client, 0, 100)
		require.ErrorIs(t, client.Scan(t.Context(), wanted, func(kurrent.Event) error { client.Close(); return nil }), kurrent.ErrClosed)
	})
}

func TestScan_Progress(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	want := writeStreams(t, client, 0, 50)
	var last kurrent.Position
	visited, calls, after := 0, 0, 0
	scan := kurrent.Scan{Types: []string{"wanted"}, Progress: func(p kurrent.Position) {
		calls++
		require.GreaterOrEqual(t, p.Commit, last.Commit, "the position never goes back")
		if visited > 0 && p.Commit > last.Commit {
			after++
		}
		last = p
	}}
	require.NoError(t, client.Scan(t.Context(), scan, func(kurrent.Event) error { visited++; return nil }))
	require.Equal(t, len(want), visited)
	require.GreaterOrEqual(t, calls, visited)
	require.GreaterOrEqual(t, after, visited, "every event has a position of its own")
}
