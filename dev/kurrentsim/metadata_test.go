package kurrentsim_test

import (
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"
)

func (w *testServer) setMetadata(stream string, set func(*kurrentdb.StreamMetadata)) {
	w.Helper()
	var metadata kurrentdb.StreamMetadata
	set(&metadata)
	_, err := w.client.SetStreamMetadata(w.Context(), stream, kurrentdb.AppendToStreamOptions{}, metadata)
	require.NoError(w, err)
}

func TestMetadata_HidesOldEvents(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	cases := []struct {
		name string
		set  func(*kurrentdb.StreamMetadata)
		want []uint64
	}{
		{"max count keeps the newest", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(2) }, []uint64{3, 4}},
		{"truncate before hides what is before", func(m *kurrentdb.StreamMetadata) { m.SetTruncateBefore(3) }, []uint64{3, 4}},
		{"both hide the more of the two", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(4); m.SetTruncateBefore(4) }, []uint64{4}},
		{"truncate before the end leaves an empty stream", func(m *kurrentdb.StreamMetadata) { m.SetTruncateBefore(9) }, []uint64{}},
		{"max age keeps young events", func(m *kurrentdb.StreamMetadata) { m.SetMaxAge(time.Hour) }, []uint64{0, 1, 2, 3, 4}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &testServer{T: t, server: w.server, client: w.client}
			stream := "s-" + c.name
			w.append(stream, kurrentdb.NoStream{}, events(5)...)
			w.setMetadata(stream, c.set)
			require.Equal(t, c.want, revisions(w.readStream(stream, kurrentdb.ReadStreamOptions{})))
			backwards := w.readStream(stream, kurrentdb.ReadStreamOptions{Direction: kurrentdb.Backwards, From: kurrentdb.End{}})
			require.Len(t, backwards, len(c.want))
		})
	}
}

func TestMetadata_OnlyTheNewestIsVisible(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(5)...)
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(1) })
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(3) })
	require.Equal(t, []uint64{1}, revisions(w.readStream("$$s-1", kurrentdb.ReadStreamOptions{})))
	found, err := w.client.GetStreamMetadata(t.Context(), "s-1", kurrentdb.ReadStreamOptions{})
	require.NoError(t, err)
	require.EqualValues(t, 3, *found.MaxCount())
}

func TestMetadata_Malformed(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(5)...)
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(1) })
	for _, body := range []string{
		`{`, `{"$maxCount":"3","$tb":2}`, `{"$tb":2,"$acl":5}`, `{"$tb":2,"$maxAge":"x"}`, `{"$tb":2,"$acl":{"$r":5}}`,
	} {
		broken := event("$metadata")
		broken.Data = []byte(body)
		w.append("$$s-1", kurrentdb.Any{}, broken)
		require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 5, body)
	}
}

func TestMetadata_TruncateBeforeCanBeLowered(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(4)...)
	for _, before := range []uint64{3, 1} {
		w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetTruncateBefore(before) })
		require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 4-int(before), "events that were not scavenged are visible again")
	}
}

func TestMetadata_KeepsItsOrderWhenAStreamIsRecreated(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(2)...)
	require.NoError(t, w.delete("s-1", kurrentdb.Any{}))
	metadata := event("$metadata")
	metadata.Data = []byte(`{ "z": 1, "$maxCount": 3, "a": {"y": 1, "x": [1, 2]} }`)
	w.append("$$s-1", kurrentdb.Any{}, metadata)
	newest := w.readStream("$$s-1", kurrentdb.ReadStreamOptions{})[0]
	require.Equal(t, `{"z":1,"$maxCount":3,"a":{"y":1,"x":[1,2]},"$tb":2}`, string(newest.Event.Data))
}

func TestMetadata_NeverHidesFromAll(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("plain", kurrentdb.NoStream{}, events(5)...)
	w.setMetadata("plain", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(1) })
	count := 0
	for _, e := range w.readAll(kurrentdb.ReadAllOptions{}) {
		if e.Event.StreamID == "plain" {
			count++
		}
	}
	require.Equal(t, 5, count)
}
