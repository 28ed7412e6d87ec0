package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/internal/kurrentsim/journal"
)

func open(t *testing.T, storage journal.Storage) (*journal.Journal, []string, int64) {
	t.Helper()
	var found []string
	j, cut, err := journal.Open(storage, func(offset int64, payload []byte) error {
		require.Positive(t, offset)
		found = append(found, string(payload))
		return nil
	})
	require.NoError(t, err)
	return j, found, cut
}

func TestTornTailIsCutAtEveryByte(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file, err := journal.OpenFile(dir)
	require.NoError(t, err)
	j, _, _ := open(t, file)
	var ends []int64
	for i := range 3 {
		end, err := j.Append(fmt.Appendf(nil, "frame number %d", i))
		require.NoError(t, err)
		require.NoError(t, j.Commit(end))
		ends = append(ends, end)
	}
	require.NoError(t, j.Close())

	for size := ends[2]; size >= ends[1]; size-- {
		file, err := journal.OpenFile(dir)
		require.NoError(t, err)
		require.NoError(t, file.Truncate(size))
		j, found, cut := open(t, file)
		want := []string{"frame number 0", "frame number 1"}
		if size == ends[2] {
			want = append(want, "frame number 2")
		} else {
			require.Equal(t, size-ends[1], cut)
			_, err = j.Append([]byte("frame number 2"))
			require.NoError(t, err)
		}
		require.Equal(t, want, found)
		require.NoError(t, j.Close())
	}
}

func TestGarbageAtTheTailIsCut(t *testing.T) {
	t.Parallel()
	for _, garbage := range [][]byte{make([]byte, 100), []byte("\x00\x00\x00\x05wxyz12345"), []byte("\xff\xff\xff\xffwxyz"), {1}} {
		storage := &journal.Memory{}
		j, _, _ := open(t, storage)
		end, err := j.Append([]byte("good"))
		require.NoError(t, err)
		_, err = storage.WriteAt(garbage, end)
		require.NoError(t, err)
		_, found, cut := open(t, storage)
		require.Equal(t, []string{"good"}, found)
		require.EqualValues(t, len(garbage), cut)
	}
}

func TestForeignFileIsRefused(t *testing.T) {
	t.Parallel()
	storage := &journal.Memory{}
	_, err := storage.WriteAt([]byte("something else entirely"), 0)
	require.NoError(t, err)
	_, _, err = journal.Open(storage, nil)
	require.ErrorContains(t, err, "not a journal")
}

// slowSync counts syncs and holds the first until it is let go.
type slowSync struct {
	journal.Memory
	entered, release chan struct{}
	count            atomic.Int32
	fail             atomic.Bool
}

func (s *slowSync) Sync() error {
	if s.fail.Load() {
		return errors.New("disk is gone")
	}
	if s.count.Add(1) == 2 { // the first sync belongs to the creation
		close(s.entered)
		<-s.release
	}
	return nil
}

func TestCommitsThatComeTogetherShareOneSync(t *testing.T) {
	t.Parallel()
	storage := &slowSync{entered: make(chan struct{}), release: make(chan struct{})}
	j, _, _ := open(t, storage)
	first, err := j.Append([]byte("first"))
	require.NoError(t, err)
	var waiting sync.WaitGroup
	waiting.Go(func() { require.NoError(t, j.Commit(first)) })
	<-storage.entered
	for range 50 {
		end, err := j.Append([]byte("more"))
		require.NoError(t, err)
		waiting.Go(func() { require.NoError(t, j.Commit(end)) })
	}
	close(storage.release)
	waiting.Wait()
	require.EqualValues(t, 3, storage.count.Load(), "creation, the first, and one for the fifty")
}

func TestFailedSyncIsFinal(t *testing.T) {
	t.Parallel()
	storage := &slowSync{}
	j, _, _ := open(t, storage)
	end, err := j.Append([]byte("lost"))
	require.NoError(t, err)
	storage.fail.Store(true)
	require.ErrorContains(t, j.Commit(end), "disk is gone")
	storage.fail.Store(false)
	require.ErrorContains(t, j.Commit(end), "disk is gone", "a later success proves nothing")
	_, err = j.Append([]byte("after"))
	require.ErrorContains(t, err, "disk is gone")
}
