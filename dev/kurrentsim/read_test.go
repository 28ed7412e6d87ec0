package kurrentsim_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func TestReadStream_EveryStartAndDirection(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(5)...)
	cases := []struct {
		name      string
		direction kurrentdb.Direction
		from      kurrentdb.StreamPosition
		want      []uint64
	}{
		{"forwards from the start", kurrentdb.Forwards, kurrentdb.Start{}, []uint64{0, 1, 2, 3, 4}},
		{"forwards from a revision", kurrentdb.Forwards, kurrentdb.Revision(3), []uint64{3, 4}},
		{"forwards from behind the end", kurrentdb.Forwards, kurrentdb.Revision(9), []uint64{}},
		{"backwards from the end", kurrentdb.Backwards, kurrentdb.End{}, []uint64{4, 3, 2, 1, 0}},
		{"backwards from a revision", kurrentdb.Backwards, kurrentdb.Revision(1), []uint64{1, 0}},
		{"backwards from behind the end", kurrentdb.Backwards, kurrentdb.Revision(9), []uint64{4, 3, 2, 1, 0}},
		{"backwards from the start", kurrentdb.Backwards, kurrentdb.Start{}, []uint64{0}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &testServer{T: t, client: w.client}
			require.Equal(t, c.want, revisions(w.readStream("s-1", kurrentdb.ReadStreamOptions{Direction: c.direction, From: c.from})))
		})
	}
}

func TestReadStream_Count(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(100)...)
	read, err := w.client.ReadStream(t.Context(), "s-1", kurrentdb.ReadStreamOptions{}, 70)
	require.NoError(t, err)
	found, err := collect(read)
	require.NoError(t, err)
	require.Len(t, found, 70)
	require.EqualValues(t, 69, found[69].Event.EventNumber)
}

func TestReadAll_OneOrder(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("a-1", kurrentdb.NoStream{}, events(40)...)
	w.append("b-1", kurrentdb.NoStream{}, events(40)...)
	forwards := w.readAll(kurrentdb.ReadAllOptions{})
	require.Greater(t, len(forwards), 80)
	for i := 1; i < len(forwards); i++ {
		require.Greater(t, forwards[i].Event.Position.Commit, forwards[i-1].Event.Position.Commit)
	}
	backwards := w.readAll(kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}})
	require.Len(t, backwards, len(forwards))
	require.Equal(t, forwards[0].Event.EventID, backwards[len(backwards)-1].Event.EventID)

	middle := forwards[50].Event.Position
	inclusive := w.readAll(kurrentdb.ReadAllOptions{From: middle})
	require.Equal(t, middle, inclusive[0].Event.Position)
	exclusive := w.readAll(kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: middle})
	require.Equal(t, forwards[49].Event.Position, exclusive[0].Event.Position)
	require.Empty(t, w.readAll(kurrentdb.ReadAllOptions{From: kurrentdb.End{}}))
	require.Empty(t, w.readAll(kurrentdb.ReadAllOptions{Direction: kurrentdb.Backwards, From: kurrentdb.Start{}}))
}

func TestReadAll_FreshServer(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	require.GreaterOrEqual(t, len(w.readAll(kurrentdb.ReadAllOptions{})), 10)
}

func TestReadStream_NotFound(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	_, err := w.tryReadStream("nowhere", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
}
