package messages_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim"

	"example.com/catalog/messages"
	"example.com/catalog/video"
)

var errEnough = errors.New("enough")

// take returns the next n messages of category tested after a position.
func take(t *testing.T, store *messages.Store, after *uint64, n int) []video.Message {
	found, err := subscribeTo(t, store, after, n)
	require.Equal(t, errEnough, err)
	return found
}

func subscribeTo(t *testing.T, store *messages.Store, after *uint64, n int) (found []video.Message, err error) {
	err = store.Subscribe(t.Context(), "tested", after, func(_ context.Context, m video.Message) error {
		if found = append(found, m); len(found) == n {
			return errEnough
		}
		return nil
	})
	return found, err
}

func TestSubscribe(t *testing.T) {
	t.Parallel()
	s, store := openServer(t, kurrentsim.Options{})
	ids := appendTo(t, store, "tested-1", 2)
	appendTo(t, store, "other-1", 1)
	ids = append(ids, appendTo(t, store, "tested-2", 1)...)
	ids = append(ids, appendTo(t, store, "tested-1", 1)...)

	t.Run("handles all messages of a category in order", func(t *testing.T) {
		found := take(t, store, nil, 4)
		for i, m := range found {
			require.Equal(t, ids[i], m.ID)
			require.Equal(t, uint64(i), m.Position)
		}
		require.Equal(t, "tested-1", found[3].Stream)
		require.Equal(t, uint64(2), found[3].Revision)
		require.JSONEq(t, `{"key":"<value>"}`, string(found[3].Data))
	})
	t.Run("begins after a position", func(t *testing.T) {
		after := uint64(1)
		require.Equal(t, ids[2], take(t, store, &after, 1)[0].ID)
	})
	t.Run("waits for new messages", func(t *testing.T) {
		after, found, ended := uint64(3), []video.Message(nil), make(chan error)
		go func() {
			var err error
			found, err = subscribeTo(t, store, &after, 1)
			ended <- err
		}()
		id := appendTo(t, store, "tested-3", 1)[0]
		require.Equal(t, errEnough, <-ended)
		require.Equal(t, id, found[0].ID)
	})
	t.Run("skips deleted streams", func(t *testing.T) {
		client := s.official()
		appendTo(t, store, "tested-4", 2)
		_, err := client.DeleteStream(t.Context(), "tested-1", kurrentdb.DeleteStreamOptions{})
		require.NoError(t, err)
		_, err = client.TombstoneStream(t.Context(), "tested-4", kurrentdb.TombstoneStreamOptions{})
		require.NoError(t, err)
		last := appendTo(t, store, "tested-5", 1)[0]
		found := take(t, store, nil, 3)
		require.Equal(t, "tested-2", found[0].Stream)
		require.Equal(t, "tested-3", found[1].Stream)
		require.Equal(t, last, found[2].ID)
		require.Equal(t, uint64(9), found[2].Position, "two links to the deletions come before")
	})
}

func TestSubscribe_Ends(t *testing.T) {
	t.Parallel()
	s, store := openServer(t, kurrentsim.Options{})
	appendTo(t, store, "tested-1", 1)
	subscribe := func(ctx context.Context) (started chan struct{}, ended chan error) {
		started, ended = make(chan struct{}), make(chan error, 1)
		go func() {
			ended <- store.Subscribe(ctx, "tested", nil, func(context.Context, video.Message) error {
				close(started)
				return nil
			})
		}()
		return started, ended
	}
	t.Run("with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		started, ended := subscribe(ctx)
		<-started
		cancel()
		err := <-ended
		require.ErrorIs(t, err, messages.ErrUnavailable)
		require.ErrorIs(t, err, context.Canceled)
	})
	t.Run("with the connection, and begins again with the server", func(t *testing.T) {
		started, ended := subscribe(t.Context())
		<-started
		s.stop()
		require.ErrorIs(t, <-ended, messages.ErrUnavailable)
		_, ended = subscribe(t.Context())
		require.ErrorIs(t, <-ended, messages.ErrUnavailable)
		s.start()
		require.Len(t, take(t, store, nil, 1), 1)
	})
	t.Run("without a confirmation", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		began := time.Now()
		require.ErrorIs(t, open(t, silentAddress(t)).Subscribe(ctx, "tested", nil, nil), messages.ErrUnavailable)
		require.Less(t, time.Since(began), promptly)
	})
}
