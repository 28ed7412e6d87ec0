package kurrentsim_test

import (
	"errors"
	"testing"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"orderflow/dev/kurrentsim"
)

func TestAppend_ExpectedState(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	old, fresh := events(3), events(2)
	cases := []struct {
		name     string
		expected kurrentdb.StreamState
		batch    []kurrentdb.EventData
		next     int64 // the last revision returned; -1 for a wrong expected version
	}{
		{"any appends what is new", kurrentdb.Any{}, fresh, 4},
		{"any repeats the whole batch", kurrentdb.Any{}, old, 2},
		{"any repeats a part of the batch", kurrentdb.Any{}, old[1:2], 1},
		{"any refuses a batch that is old first and new later", kurrentdb.Any{}, []kurrentdb.EventData{old[0], fresh[0]}, -1},
		{"any takes a batch that is new first and old later", kurrentdb.Any{}, []kurrentdb.EventData{fresh[0], old[0]}, 4},
		{"stream exists appends", kurrentdb.StreamExists{}, fresh, 4},
		{"stream exists repeats", kurrentdb.StreamExists{}, old, 2},
		{"no stream repeats", kurrentdb.NoStream{}, old, 2},
		{"no stream repeats the beginning", kurrentdb.NoStream{}, old[:2], 1},
		{"no stream refuses new events", kurrentdb.NoStream{}, fresh, -1},
		{"no stream refuses more than was written", kurrentdb.NoStream{}, append(append([]kurrentdb.EventData{}, old...), fresh[0]), -1},
		{"a passed revision repeats what followed it", kurrentdb.Revision(0), old[1:], 2},
		{"a passed revision refuses what did not follow it", kurrentdb.Revision(0), old[2:], -1},
		{"the current revision appends", kurrentdb.Revision(2), fresh, 4},
		{"the current revision appends old ids again", kurrentdb.Revision(2), old, 5},
		{"a revision to come is refused", kurrentdb.Revision(3), fresh, -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := &testServer{T: t, server: w.server, client: w.client}
			stream := "table-" + c.name
			w.append(stream, kurrentdb.NoStream{}, old...)
			result, err := w.tryAppend(stream, c.expected, c.batch...)
			if c.next < 0 {
				requireCode(t, err, kurrentdb.ErrorCodeWrongExpectedVersion)
				require.Len(t, w.readStream(stream, kurrentdb.ReadStreamOptions{}), 3)
				return
			}
			require.NoError(t, err)
			require.EqualValues(t, c.next, result.NextExpectedVersion)
			require.Len(t, w.readStream(stream, kurrentdb.ReadStreamOptions{}), int(max(c.next+1, 3)))
		})
	}
}

func TestAppend_RepeatedReturnsTheOriginalPosition(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	batch := events(2)
	first := w.append("s-1", kurrentdb.NoStream{}, batch...)
	w.append("s-1", kurrentdb.Revision(1), event("later"))
	require.Equal(t, first, w.append("s-1", kurrentdb.NoStream{}, batch...))
	require.Equal(t, first, w.append("s-1", kurrentdb.Any{}, batch...))
}

func TestAppend_StreamExists(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	_, err := w.tryAppend("s-1", kurrentdb.StreamExists{}, event("a"))
	requireCode(t, err, kurrentdb.ErrorCodeWrongExpectedVersion)
	w.setMetadata("s-1", func(m *kurrentdb.StreamMetadata) { m.SetMaxCount(5) })
	w.append("s-1", kurrentdb.StreamExists{}, event("a"))
}

func TestAppend_SameIDInAnotherStream(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	e := event("a")
	w.append("s-1", kurrentdb.Any{}, e)
	w.append("s-2", kurrentdb.Any{}, e)
	require.Len(t, w.readStream("s-2", kurrentdb.ReadStreamOptions{}), 1)
}

func TestAppend_Empty(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	w.append("s-1", kurrentdb.NoStream{}, events(3)...)
	require.EqualValues(t, 2, w.append("s-1", kurrentdb.Any{}).NextExpectedVersion)
	require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), 3)
}

func TestAppend_Invalid(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	for name, c := range map[string]struct{ stream, eventType string }{
		"no stream": {"", "a"}, "no stream of the metastream": {"$$", "a"}, "no type": {"s-1", ""},
	} {
		_, err := w.tryAppend(c.stream, kurrentdb.Any{}, event(c.eventType))
		require.ErrorContains(t, err, "Exception was thrown by handler.", name)
		require.Equal(t, codes.Unknown, status.Code(errors.Unwrap(err)), name)
	}
}

func TestAppend_Size(t *testing.T) {
	t.Parallel()
	const mebibyte = 1 << 20
	sized := func(size int) kurrentdb.EventData {
		e := event("größe")
		e.Data = make([]byte, size-2*len([]rune(e.EventType)))
		return e
	}
	for name, c := range map[string]struct {
		version string
		events  []kurrentdb.EventData
		refusal string
	}{
		"takes one MiB":                         {"24.10.14", []kurrentdb.EventData{sized(mebibyte)}, ""},
		"refuses a byte more":                   {"24.10.14", []kurrentdb.EventData{sized(mebibyte + 1)}, "Maximum Append Size of 1048576 Exceeded."},
		"sums up the events":                    {"24.10.14", []kurrentdb.EventData{sized(mebibyte), sized(100)}, "Maximum Append Size of 1048576 Exceeded."},
		"refuses a message of more than 16 MiB": {"24.10.14", []kurrentdb.EventData{sized(16 * mebibyte)}, "Received message exceeds the maximum configured message size."},
		"takes one MiB before":                  {"23.10.0", []kurrentdb.EventData{sized(mebibyte)}, ""},
		"refuses more before":                   {"23.10.0", []kurrentdb.EventData{sized(mebibyte + 1)}, "Maximum Append Size of 1048576 Exceeded."},
		"takes more later":                      {"25.1.0", []kurrentdb.EventData{sized(mebibyte), sized(mebibyte)}, ""},
		"bounds the message later":              {"25.1.0", []kurrentdb.EventData{sized(16 * mebibyte)}, "Received message exceeds the maximum configured message size."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newTestServer(t, kurrentsim.Options{Version: c.version})
			_, err := w.tryAppend("s-1", kurrentdb.NoStream{}, c.events...)
			if c.refusal == "" {
				require.NoError(t, err)
				require.Len(t, w.readStream("s-1", kurrentdb.ReadStreamOptions{}), len(c.events))
				return
			}
			require.ErrorContains(t, err, c.refusal)
			_, err = w.tryReadStream("s-1", kurrentdb.ReadStreamOptions{})
			requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
		})
	}
}

func TestAppend_CutOff(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	batch := events(40)
	for i := range batch {
		batch[i].Data = make([]byte, 1<<20)
	}
	_, err := w.tryAppend("s-1", kurrentdb.NoStream{}, batch...)
	requireCode(t, err, kurrentdb.ErrorCodeUnknown)
	require.ErrorContains(t, err, "EOF", "the append is rejected while the client is still sending")
}

func TestAppend_EventIsReadBackUnchanged(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	binary := kurrentdb.EventData{
		EventID: event("").EventID, EventType: "bytes", ContentType: kurrentdb.ContentTypeBinary,
		Data: []byte{0, 1, 2}, Metadata: []byte(`{"$correlationId":"c"}`),
	}
	w.append("s-1", kurrentdb.NoStream{}, binary)
	found := w.readStream("s-1", kurrentdb.ReadStreamOptions{})[0].Event
	require.Equal(t, binary.EventID, found.EventID)
	require.Equal(t, "bytes", found.EventType)
	require.Equal(t, "application/octet-stream", found.ContentType)
	require.Equal(t, binary.Data, found.Data)
	require.Equal(t, binary.Metadata, found.UserMetadata)
	require.Equal(t, "s-1", found.StreamID)
	require.NotZero(t, found.Position.Commit)
	require.Equal(t, found.Position.Commit, found.Position.Prepare)
	require.False(t, found.CreatedDate.IsZero())
}

func TestAppend_RepeatedAfterARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	before := newRestartable(t, dir)
	batch := events(3)
	first := before.append("s-1", kurrentdb.NoStream{}, batch...)
	before.append("s-2", kurrentdb.NoStream{}, batch...)
	before.stop()

	after := newRestartable(t, dir)
	require.Equal(t, first, after.append("s-1", kurrentdb.NoStream{}, batch...))
	require.EqualValues(t, 2, after.append("s-1", kurrentdb.Revision(0), batch[1:]...).NextExpectedVersion)
	_, err := after.tryAppend("s-1", kurrentdb.Revision(0), batch[1], event("new"))
	requireCode(t, err, kurrentdb.ErrorCodeWrongExpectedVersion)
	require.EqualValues(t, 5, after.append("s-2", kurrentdb.Any{}, batch...).NextExpectedVersion, "with Any, a restart forgets the ids")
	after.stop()
}

func TestAppend_RepeatedOnADeletedStream(t *testing.T) {
	t.Parallel()
	w := newTestServer(t, kurrentsim.Options{})
	batch := events(2)
	first := w.append("s-1", kurrentdb.NoStream{}, batch...)
	require.NoError(t, w.delete("s-1", kurrentdb.Any{}))
	for _, expected := range []kurrentdb.StreamState{kurrentdb.NoStream{}, kurrentdb.Any{}} {
		again := w.append("s-1", expected, batch...)
		require.Equal(t, first.NextExpectedVersion, again.NextExpectedVersion)
		require.Zero(t, again.CommitPosition, "the event is hidden, and its position with it")
	}
	_, err := w.tryReadStream("s-1", kurrentdb.ReadStreamOptions{})
	requireCode(t, err, kurrentdb.ErrorCodeResourceNotFound)
}
