package kurrent_test

import (
	"bytes"
	"testing"

	"github.com/google/uuid"
	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrent"
)

func TestAppend_Expected(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	first, second, third := event("a", `{"n":1}`), event("b", `{"n":2}`), event("c", `{"n":3}`)
	for _, step := range []struct {
		name     string
		expected kurrent.Expected
		events   []kurrent.NewEvent
		last     uint64
		err      error
	}{
		{name: "no stream yet", expected: kurrent.NoStream(), events: []kurrent.NewEvent{first}, last: 0},
		{name: "the same again", expected: kurrent.NoStream(), events: []kurrent.NewEvent{first}, last: 0},
		{name: "another event", expected: kurrent.NoStream(), events: []kurrent.NewEvent{second}, err: kurrent.ErrWrongRevision},
		{name: "ahead of the stream", expected: kurrent.At(5), events: []kurrent.NewEvent{second}, err: kurrent.ErrWrongRevision},
		{name: "at its end", expected: kurrent.At(0), events: []kurrent.NewEvent{second, third}, last: 2},
		{name: "the same two again", expected: kurrent.At(0), events: []kurrent.NewEvent{second, third}, last: 2},
		{name: "before its end", expected: kurrent.At(0), events: []kurrent.NewEvent{event("d", `{}`)}, err: kurrent.ErrWrongRevision},
		{name: "anywhere", expected: kurrent.Any(), events: []kurrent.NewEvent{event("e", `{}`)}, last: 3},
		{name: "nothing", expected: kurrent.Any(), err: kurrent.ErrInvalid},
		{name: "no id", expected: kurrent.Any(), events: []kurrent.NewEvent{{Type: "f"}}, err: kurrent.ErrInvalid},
		{name: "no type", expected: kurrent.Any(), events: []kurrent.NewEvent{{ID: uuid.New()}}, err: kurrent.ErrInvalid},
		{name: "too much", expected: kurrent.Any(), events: []kurrent.NewEvent{event("g", string(make([]byte, 16<<20)))}, err: kurrent.ErrTooLarge},
	} {
		last, err := client.Append(t.Context(), "append-1", step.expected, step.events...)
		require.ErrorIs(t, err, step.err, step.name)
		require.Equal(t, step.last, last, step.name)
	}
}

func TestReadEvent(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	written := event("a", `{"n":1}`)
	written.Metadata = []byte(`{"traceparent":"x"}`)
	_, err := client.Append(t.Context(), "append-1", kurrent.NoStream(), written)
	require.NoError(t, err)
	read, err := client.ReadEvent(t.Context(), "append-1", 0)
	require.NoError(t, err)
	require.NotZero(t, read.Created)
	require.Equal(t, kurrent.Event{
		ID: written.ID, Stream: "append-1", Revision: 0, Type: "a", ContentType: "application/json",
		Data: written.Data, Metadata: written.Metadata, Created: read.Created,
	}, read)
}

func TestAppend_DeletedStream(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	client := openClient(t, server.url())
	require.NoError(t, appendOne(t.Context(), client, "append-1"))
	_, err := officialClient(t, server.url()).TombstoneStream(t.Context(), "append-1", kurrentdb.TombstoneStreamOptions{})
	require.NoError(t, err)
	require.ErrorIs(t, appendOne(t.Context(), client, "append-1"), kurrent.ErrDeleted)
	_, err = client.ReadEvent(t.Context(), "append-1", 0)
	require.ErrorIs(t, err, kurrent.ErrDeleted)
}

// revisions reads a stream and returns the revisions it saw.
func revisions(t *testing.T, client *kurrent.Client, stream string, from uint64, limit int) []uint64 {
	t.Helper()
	var seen []uint64
	err := client.ReadStream(t.Context(), stream, from, limit, func(e kurrent.Event) error {
		seen = append(seen, e.Revision)
		return nil
	})
	require.NoError(t, err)
	return seen
}

func sequence(from, to uint64) []uint64 {
	var all []uint64
	for n := from; n <= to; n++ {
		all = append(all, n)
	}
	return all
}

func TestReadStream_Pages(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	for range 3 {
		events := make([]kurrent.NewEvent, 256)
		for i := range events {
			events[i] = event("a", `{}`)
		}
		_, err := client.Append(t.Context(), "read-1", kurrent.Any(), events...)
		require.NoError(t, err)
	}
	require.NoError(t, appendOne(t.Context(), client, "read-1"))
	for name, c := range map[string]struct {
		from  uint64
		limit int
		want  []uint64
	}{
		"all of it":              {0, 0, sequence(0, 768)},
		"the rest":               {700, 0, sequence(700, 768)},
		"exactly one page":       {0, 256, sequence(0, 255)},
		"a page and one":         {0, 257, sequence(0, 256)},
		"more than there is":     {700, 1000, sequence(700, 768)},
		"from past its end":      {769, 0, nil},
		"from far past it":       {100_000, 3, nil},
		"pages that end exactly": {1, 768, sequence(1, 768)},
	} {
		require.Equal(t, c.want, revisions(t, client, "read-1", c.from, c.limit), name)
	}
}

func TestReadStream_BigEvents(t *testing.T) {
	t.Parallel()
	client := openClient(t, startServer(t).url())
	big := `{"padding":"` + string(bytes.Repeat([]byte("x"), 1000<<10)) + `"}`
	for range 10 {
		_, err := client.Append(t.Context(), "read-1", kurrent.Any(), event("a", big))
		require.NoError(t, err)
	}
	require.Equal(t, sequence(0, 9), revisions(t, client, "read-1", 0, 0))
	require.Equal(t, sequence(3, 8), revisions(t, client, "read-1", 3, 6))
}

func TestReadEvent_NotFound(t *testing.T) {
	t.Parallel()
	server := startServer(t)
	client := openClient(t, server.url())
	_, err := client.ReadEvent(t.Context(), "read-1", 0)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	for range 3 {
		require.NoError(t, appendOne(t.Context(), client, "read-1"))
	}
	_, err = client.ReadEvent(t.Context(), "read-1", 3)
	require.ErrorIs(t, err, kurrent.ErrNotFound, "past the end")
	truncate(t, server.url(), "read-1", 2)
	_, err = client.ReadEvent(t.Context(), "read-1", 1)
	require.ErrorIs(t, err, kurrent.ErrNotFound, "truncated: the next one is not returned in its place")
}

// truncate sets a stream's truncate-before to a revision.
func truncate(t *testing.T, url, stream string, before uint64) {
	t.Helper()
	var metadata kurrentdb.StreamMetadata
	metadata.SetTruncateBefore(before)
	_, err := officialClient(t, url).SetStreamMetadata(t.Context(), stream, kurrentdb.AppendToStreamOptions{}, metadata)
	require.NoError(t, err)
}
