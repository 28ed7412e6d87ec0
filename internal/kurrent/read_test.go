package kurrent_test

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/kurrentsimtest"
	"orderflow/internal/kurrent"
)

func TestReadEvent(t *testing.T) {
	t.Parallel()
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	written := kurrentsimtest.Event("a", `{"n":1}`)
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
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	for range 3 {
		events := make([]kurrent.NewEvent, 256)
		for i := range events {
			events[i] = kurrentsimtest.Event("a", `{}`)
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
	client := kurrentsimtest.OpenClient(t, kurrentsimtest.StartServer(t).URL())
	big := `{"padding":"` + string(bytes.Repeat([]byte("x"), 1000<<10)) + `"}`
	for range 10 {
		_, err := client.Append(t.Context(), "read-1", kurrent.Any(), kurrentsimtest.Event("a", big))
		require.NoError(t, err)
	}
	require.Equal(t, sequence(0, 9), revisions(t, client, "read-1", 0, 0))
	require.Equal(t, sequence(3, 8), revisions(t, client, "read-1", 3, 6))
}

func TestReadEvent_NotFound(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	client := kurrentsimtest.OpenClient(t, server.URL())
	_, err := client.ReadEvent(t.Context(), "read-1", 0)
	require.ErrorIs(t, err, kurrent.ErrNotFound)
	for range 3 {
		require.NoError(t, appendOne(t.Context(), client, "read-1"))
	}
	_, err = client.ReadEvent(t.Context(), "read-1", 3)
	require.ErrorIs(t, err, kurrent.ErrNotFound, "past the end")
	kurrentsimtest.Truncate(t, server.URL(), "read-1", 2)
	_, err = client.ReadEvent(t.Context(), "read-1", 1)
	require.ErrorIs(t, err, kurrent.ErrNotFound, "truncated: the next one is not returned in its place")
}

func TestReadLinkTarget_StaleNode(t *testing.T) {
	t.Parallel()
	server := kurrentsimtest.StartServer(t)
	_, err := kurrentsimtest.OpenClient(t, server.URL()).Append(t.Context(), "order-1", kurrent.NoStream(),
		kurrentsimtest.Event("order-drafted", `{}`), kurrentsimtest.Event("order-placed", `{}`))
	require.NoError(t, err)
	kurrentsimtest.RequireConfirmed(t, server, func(client *kurrent.Client) error {
		_, err := client.ReadLinkTarget(t.Context(), kurrent.Event{Type: "$>", Data: []byte("1@order-1")})
		return err
	})
}

func TestLinkTarget_NotALink(t *testing.T) {
	t.Parallel()
	for name, link := range map[string]kurrent.Event{
		"another type": {Type: "order-placed", Data: []byte("0@order-1")},
		"no data":      {Type: "$>"},
		"no revision":  {Type: "$>", Data: []byte("@order-1")},
		"no stream":    {Type: "$>", Data: []byte("0@")},
		"below zero":   {Type: "$>", Data: []byte("-1@order-1")},
	} {
		_, _, ok := kurrent.LinkTarget(link)
		require.False(t, ok, name)
		_, err := kurrentsimtest.OpenClient(t, kurrentsimtest.URL(kurrentsimtest.ClosedAddress(t))).ReadLinkTarget(t.Context(), link)
		require.ErrorIs(t, err, kurrent.ErrInvalid, name)
	}
}
