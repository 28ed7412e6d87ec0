package store_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/journal"
	"orderflow/dev/kurrentsim/store"
)

func open(t *testing.T, storage journal.Storage) *store.Store {
	t.Helper()
	s, _, err := store.Open(store.Config{Storage: storage})
	require.NoError(t, err)
	return s
}

func batch(count int) []store.NewEvent {
	events := make([]store.NewEvent, count)
	for i := range events {
		events[i] = store.NewEvent{ID: uuid.New(), Type: "written", JSON: true, Data: []byte(`{}`)}
	}
	return events
}

func length(t *testing.T, s *store.Store, stream string) int {
	t.Helper()
	page, err := s.ReadStream(stream, 0, store.Forwards, 1000)
	require.NoError(t, err)
	return len(page.Events)
}

func clone(t *testing.T, from *journal.Memory, size int64) *journal.Memory {
	t.Helper()
	content := make([]byte, size)
	_, err := from.ReadAt(content, 0)
	require.NoError(t, err)
	copied := &journal.Memory{}
	_, err = copied.WriteAt(content, 0)
	require.NoError(t, err)
	return copied
}

func TestStartAppend_WritesInTheOrderOfTheCalls(t *testing.T) {
	t.Parallel()
	s := open(t, &journal.Memory{})
	var started []func() (store.Written, error)
	for i := range 3 {
		started = append(started, s.StartAppend("order-1", store.Expected(i-1), batch(1)))
	}
	require.Zero(t, length(t, s, "order-1"), "nothing is durable yet")
	for i := len(started) - 1; i >= 0; i-- {
		written, err := started[i]()
		require.NoError(t, err)
		require.EqualValues(t, i, written.Revision)
	}
	require.Equal(t, 3, length(t, s, "order-1"))
}

func TestOpen_TornAppendIsDroppedWithItsLinks(t *testing.T) {
	t.Parallel()
	storage := &journal.Memory{}
	s := open(t, storage)
	_, err := s.Append("order-1", store.NoStream, batch(3))
	require.NoError(t, err)
	whole, err := storage.Size()
	require.NoError(t, err)
	last := batch(2)
	_, err = s.Append("order-1", 2, last)
	require.NoError(t, err)
	end, err := storage.Size()
	require.NoError(t, err)

	for size := whole; size <= end; size++ {
		again, cut, err := store.Open(store.Config{Storage: clone(t, storage, size)})
		require.NoError(t, err)
		want := 3
		if size == end {
			want = 5
		} else {
			require.Equal(t, size-whole, cut)
		}
		for _, stream := range []string{"order-1", "$ce-order", "$et-written"} {
			require.Equal(t, want, length(t, again, stream), "%s cut at %d of %d", stream, size, end)
		}
		written, err := again.Append("order-1", 2, last)
		require.NoError(t, err)
		require.EqualValues(t, 4, written.Revision, "the append is repeated, or recognized")
	}
}

// heldSync is storage whose next sync waits until it is released.
type heldSync struct {
	journal.Memory
	entered, release chan struct{}
}

func (h *heldSync) Sync() error {
	if h.entered != nil {
		close(h.entered)
		<-h.release
		h.entered = nil
	}
	return nil
}

func TestAppend_VisibleOnlyWhenDurable(t *testing.T) {
	t.Parallel()
	storage := &heldSync{}
	s := open(t, storage)
	before := s.LastPosition()
	storage.entered, storage.release = make(chan struct{}), make(chan struct{})
	entered := storage.entered
	changed := s.Changed()
	answered := make(chan error, 1)
	go func() {
		_, err := s.Append("order-1", store.NoStream, batch(2))
		answered <- err
	}()
	<-entered
	require.Zero(t, length(t, s, "order-1"))
	require.Zero(t, length(t, s, "$ce-order"))
	require.Equal(t, before, s.LastPosition())
	require.EqualValues(t, -1, s.LastRevision("order-1"))
	select {
	case err := <-answered:
		require.Fail(t, "answered before it was durable", "%v", err)
	case <-changed:
		require.Fail(t, "returned before it was durable")
	default:
	}
	close(storage.release)
	require.NoError(t, <-answered)
	<-changed
	require.Equal(t, 2, length(t, s, "order-1"))
	require.Equal(t, 2, length(t, s, "$ce-order"))
}

func TestReadStream_MaxAge(t *testing.T) {
	t.Parallel()
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	s, _, err := store.Open(store.Config{Storage: &journal.Memory{}, Now: func() time.Time { return now }})
	require.NoError(t, err)
	_, err = s.Append("s", store.NoStream, batch(2))
	require.NoError(t, err)
	_, err = s.Append("$$s", store.Any, []store.NewEvent{{ID: uuid.New(), Type: "$metadata", JSON: true, Data: []byte(`{"$maxAge":60}`)}})
	require.NoError(t, err)
	now = now.Add(time.Minute)
	_, err = s.Append("s", store.Any, batch(1))
	require.NoError(t, err)
	require.Equal(t, 3, length(t, s, "s"))
	now = now.Add(time.Second)
	require.Equal(t, 1, length(t, s, "s"))
	_, found, err := s.Event("s", 0)
	require.NoError(t, err)
	require.False(t, found, "a link to it does not resolve either")
}

func TestReadStream_PageSize(t *testing.T) {
	t.Parallel()
	s := open(t, &journal.Memory{})
	large := batch(5)
	for i := range large {
		large[i].Data = make([]byte, 400<<10)
	}
	_, err := s.Append("s", store.NoStream, large)
	require.NoError(t, err)
	for _, direction := range []store.Direction{store.Forwards, store.Backwards} {
		from, seen := int64(0), []int64{}
		if direction == store.Backwards {
			from = 4
		}
		for end := false; !end; {
			page, err := s.ReadStream("s", from, direction, 100)
			require.NoError(t, err)
			require.LessOrEqual(t, len(page.Events), 2)
			for _, e := range page.Events {
				seen = append(seen, e.Revision)
			}
			from, end = page.Next, page.End
		}
		require.Len(t, seen, 5)
	}
	query, count := store.AllQuery{Limit: 100}, 0
	for end := false; !end; {
		page, err := s.ReadAll(query)
		require.NoError(t, err)
		for _, e := range page.Events {
			if e.Stream == "s" {
				count++
			}
		}
		query.From, end = page.Next, page.End
	}
	require.Equal(t, 5, count)
}

func TestAppend_ForgetsOldestIDs(t *testing.T) {
	t.Parallel()
	s := open(t, &journal.Memory{})
	first := batch(1)
	_, err := s.Append("s", store.Any, first)
	require.NoError(t, err)
	for i := range 8 {
		_, err := s.Append(fmt.Sprintf("fill-%d", i), store.Any, batch(8<<10))
		require.NoError(t, err)
	}
	written, err := s.Append("s", store.Any, first)
	require.NoError(t, err)
	require.EqualValues(t, 1, written.Revision, "Any forgets ids; an exact expectation never does")
	written, err = s.Append("s", store.NoStream, first)
	require.NoError(t, err)
	require.Zero(t, written.Revision)
}
