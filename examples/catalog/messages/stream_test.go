package messages_test

import (
	"strings"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"

	"example.com/catalog/messages"
	"example.com/catalog/video"
)

func TestAppend(t *testing.T) {
	t.Parallel()
	_, store := openServer(t, kurrentsim.Options{})
	first, second := newMessage(), newMessage()

	t.Run("writes where it is expected", func(t *testing.T) {
		require.NoError(t, store.Append(t.Context(), "tested-1", messages.NoStream, first))
		require.NoError(t, store.Append(t.Context(), "tested-1", messages.After(1), second))
		found := read(t, store, "tested-1")
		require.Len(t, found, 2)
		require.Equal(t, video.Message{
			ID: second.ID, Stream: "tested-1", Revision: 1, Position: 1, Type: "Tested",
			Data: []byte(`{"key":"\u003cvalue\u003e"}`), Metadata: found[1].Metadata, Time: found[1].Time,
		}, found[1])
		require.Equal(t, second.Metadata, video.MetadataOf(found[1]))
		require.WithinDuration(t, time.Now(), found[1].Time, waitLimit)
	})
	t.Run("writes nowhere else", func(t *testing.T) {
		for _, expected := range []messages.Expected{messages.NoStream, 0, messages.After(0), messages.After(1), 2, 7} {
			require.ErrorIs(t, store.Append(t.Context(), "tested-1", expected, newMessage()), messages.ErrWrongRevision)
		}
		require.ErrorIs(t, store.Append(t.Context(), "tested-2", 0, newMessage()), messages.ErrWrongRevision)
		require.Len(t, read(t, store, "tested-1"), 2)
	})
	t.Run("writes a repeated message once", func(t *testing.T) {
		require.NoError(t, store.Append(t.Context(), "tested-1", messages.NoStream, first))
		require.NoError(t, store.Append(t.Context(), "tested-1", messages.After(1), second))
		require.NoError(t, store.Append(t.Context(), "tested-1", messages.Any, second))
		require.Len(t, read(t, store, "tested-1"), 2)
	})
	t.Run("refuses a message that could not be repeated", func(t *testing.T) {
		m := newMessage()
		m.ID = [16]byte{}
		require.ErrorContains(t, store.Append(t.Context(), "tested-1", messages.Any, m), "no id")
	})
}

func TestAppend_TooLarge(t *testing.T) {
	t.Parallel()
	large := newMessage()
	for name, c := range map[string]struct {
		bytes   int
		options kurrentsim.Options
		refused bool
	}{
		"accepts a MiB":                   {1<<20 - 2048, kurrentsim.Options{}, false},
		"refuses more, unasked":           {1 << 20, kurrentsim.Options{}, true},
		"refuses what the server refuses": {2048, kurrentsim.Options{MaxAppendSize: 1024}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, store := openServer(t, c.options)
			m := large
			m.Data = strings.Repeat("x", c.bytes)
			err := store.Append(t.Context(), "tested-1", messages.NoStream, m)
			if !c.refused {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, messages.ErrTooLarge)
			require.Empty(t, read(t, store, "tested-1"))
		})
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	s, store := openServer(t, kurrentsim.Options{})
	client := s.official()
	fill := func(stream string, events, size int) {
		batch := make([]kurrentdb.EventData, events)
		for i := range batch {
			batch[i] = kurrentdb.EventData{EventType: "Tested", Data: make([]byte, size)}
		}
		_, err := client.AppendToStream(t.Context(), stream, kurrentdb.AppendToStreamOptions{}, batch...)
		require.NoError(t, err)
	}

	t.Run("finds nothing in a stream that does not exist", func(t *testing.T) {
		require.Empty(t, read(t, store, "tested-none"))
	})
	t.Run("finds nothing in a stream that was deleted", func(t *testing.T) {
		fill("tested-deleted", 1, 1)
		_, err := client.DeleteStream(t.Context(), "tested-deleted", kurrentdb.DeleteStreamOptions{})
		require.NoError(t, err)
		require.Empty(t, read(t, store, "tested-deleted"))
	})
	t.Run("refuses a stream that was tombstoned", func(t *testing.T) {
		fill("tested-tombstone", 1, 1)
		_, err := client.TombstoneStream(t.Context(), "tested-tombstone", kurrentdb.TombstoneStreamOptions{})
		require.NoError(t, err)
		_, err = store.Read(t.Context(), "tested-tombstone")
		require.ErrorContains(t, err, "is deleted")
		require.NotErrorIs(t, err, messages.ErrUnavailable)
	})
	t.Run("never returns a part", func(t *testing.T) {
		fill("tested-full", 1000, 1)
		require.Len(t, read(t, store, "tested-full"), 1000)
		fill("tested-full", 1, 1)
		_, err := store.Read(t.Context(), "tested-full")
		require.ErrorIs(t, err, messages.ErrTooLarge)
		for range 5 {
			fill("tested-big", 1, 1<<20-100)
		}
		_, err = store.Read(t.Context(), "tested-big")
		require.ErrorIs(t, err, messages.ErrTooLarge)
	})
}
