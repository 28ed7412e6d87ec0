package kurrentsim_test

import (
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func (w *testServer) delete(stream string, expected kurrentdb.StreamState) error {
	_, err := w.client.DeleteStream(w.Context(), stream, kurrentdb.DeleteStreamOptions{StreamState: expected})
	return err
}

func (w *testServer) tombstone(stream string, expected kurrentdb.StreamState) error {
	_, err := w.client.TombstoneStream(w.Context(), stream, kurrentdb.TombstoneStreamOptions{StreamState: expected})
	return err
}

func TestDelete_NotFoundUntilWrittenAgain(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	old := events(3)
	w.append("s-1", kurrentdb.NoStream{}, old...)
	require.NoError(t, w.delete("s-1", kurrentdb.Revision(2)))

	_, err := w.tryReadStream("s-1", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
	require.NoError(t, w.delete("s-1", kurrentdb.Any{}), "deleting again is fine")
	_, err = w.tryAppend("s-1", kurrentdb.StreamExists{}, event("a"))
	requireCode(t, err, kurrentdb.ErrorCodeStreamDeleted)

	require.EqualValues(t, 3, w.append("s-1", kurrentdb.NoStream{}, event("back")).NextExpectedVersion)
	require.Equal(t, []uint64{3}, revisions(w.readStream("s-1", kurrentdb.ReadStreamOptions{})))
	metadata := w.readStream("$$s-1", kurrentdb.ReadStreamOptions{})
	require.JSONEq(t, `{"$tb":3}`, string(metadata[0].Event.Data))
}

func TestDelete_StreamIsRecreatedByAppends(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	for stream, expected := range map[string]kurrentdb.StreamState{"s-any": kurrentdb.Any{}, "s-old": kurrentdb.Revision(2)} {
		w.append(stream, kurrentdb.NoStream{}, events(3)...)
		require.NoError(t, w.delete(stream, kurrentdb.Any{}))
		require.EqualValues(t, 3, w.append(stream, expected, event("back")).NextExpectedVersion)
		require.Equal(t, []uint64{3}, revisions(w.readStream(stream, kurrentdb.ReadStreamOptions{})))
	}
}

func TestDelete_StreamIsRecreatedByMetadata(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	require.NoError(t, w.delete("s-1", kurrentdb.Any{}))
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(7) })
	metadata := w.readStream("$$s-1", kurrentdb.ReadStreamOptions{})
	require.JSONEq(t, `{"$maxCount":7,"$tb":3}`, string(metadata[0].Event.Data))
	require.Empty(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), "present and empty")
}

func TestDelete_MissingStream(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	require.Error(t, w.delete("s-1", kurrentdb.Any{}))
	w.append("s-1", kurrentdb.NoStream{}, event("a"))
	require.Error(t, w.delete("s-1", kurrentdb.Revision(4)))
	require.Error(t, w.delete("s-1", kurrentdb.NoStream{}))
	require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 1)
}

func TestTombstone_IsPermanent(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(2)...)
	require.NoError(t, w.tombstone("s-1", kurrentdb.Revision(1)))
	require.NoError(t, w.tombstone("never-written", kurrentdb.NoStream{}))
	for _, stream := range []string{"s-1", "$$s-1", "never-written"} {
		_, err := w.tryReadStream(stream, kurrentdb.ReadStreamOptions{})
		requireCode(t, err, kurrentdb.ErrorCodeStreamDeleted)
		for _, expected := range []kurrentdb.StreamState{kurrentdb.Any{}, kurrentdb.NoStream{}, kurrentdb.StreamExists{}, kurrentdb.Revision(1)} {
			_, err = w.tryAppend(stream, expected, event("a"))
			requireCode(t, err, kurrentdb.ErrorCodeStreamDeleted)
		}
	}
	requireCode(t, w.delete("s-1", kurrentdb.Any{}), kurrentdb.ErrorCodeStreamDeleted)
	requireCode(t, w.tombstone("s-1", kurrentdb.Any{}), kurrentdb.ErrorCodeStreamDeleted)
	_, err := w.client.SubscribeToStream(t.Context(), "s-1", kurrentdb.SubscribeToStreamOptions{})
	require.Error(t, err)
}
