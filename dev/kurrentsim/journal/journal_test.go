package journal_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/journal"
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

func TestOpen_CutsTornTail(t *testing.T) {
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

func TestOpen_CutsGarbageAtTheTail(t *testing.T) {
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

// written returns a journal of three frames and their ends. Each frame is committed
// before the next, unless together is set.
func written(t *testing.T, together bool) (storage *journal.Memory, ends []int64) {
	t.Helper()
	storage = &journal.Memory{}
	j, _, _ := open(t, storage)
	ends = []int64{j.End()}
	for i := range 3 {
		end, err := j.Append(fmt.Appendf(nil, "frame number %d", i))
		require.NoError(t, err)
		if !together {
			require.NoError(t, j.Commit(end))
		}
		ends = append(ends, end)
	}
	return storage, ends
}

func TestOpen_RefusesDamageBeforeTheTail(t *testing.T) {
	t.Parallel()
	_, ends := written(t, false)
	for at := ends[0]; at < ends[2]; at++ {
		storage, _ := written(t, false)
		flip(t, storage, at)
		_, _, err := journal.Open(storage, func(int64, []byte) error { return nil })
		var corrupt *journal.CorruptError
		require.ErrorAs(t, err, &corrupt, "byte %d", at)
		bad := ends[0]
		if at >= ends[1] {
			bad = ends[1]
		}
		require.Equal(t, bad, corrupt.Offset)
		require.ErrorContains(t, err, fmt.Sprintf("damaged at byte %d", bad))
	}
}

func TestOpen_RefusesZeroedFramesBeforeTheTail(t *testing.T) {
	t.Parallel()
	storage, ends := written(t, false)
	_, err := storage.WriteAt(make([]byte, ends[2]-ends[0]), ends[0])
	require.NoError(t, err)
	_, _, err = journal.Open(storage, func(int64, []byte) error { return nil })
	require.ErrorAs(t, err, new(*journal.CorruptError))
}

func TestOpen_CutsUnsyncedFramesWithAHole(t *testing.T) {
	t.Parallel()
	_, ends := written(t, true)
	for at := ends[0]; at < ends[3]; at++ {
		storage, _ := written(t, true) // the disk wrote later frames before earlier ones, which is allowed
		flip(t, storage, at)
		_, found, cut := open(t, storage)
		frame := 0
		for at >= ends[frame+1] {
			frame++
		}
		require.Len(t, found, frame)
		require.Equal(t, ends[3]-ends[frame], cut)
	}
}

func TestOpen_ReportsOffsetOfRefusedPayload(t *testing.T) {
	t.Parallel()
	storage, ends := written(t, false)
	_, _, err := journal.Open(storage, func(offset int64, _ []byte) error {
		if offset > ends[1] {
			return errors.New("cannot be read")
		}
		return nil
	})
	require.ErrorContains(t, err, fmt.Sprintf("frame at byte %d: cannot be read", ends[1]))
}

func flip(t *testing.T, storage *journal.Memory, at int64) {
	t.Helper()
	var b [1]byte
	_, err := storage.ReadAt(b[:], at)
	require.NoError(t, err)
	b[0] ^= 0xff
	_, err = storage.WriteAt(b[:], at)
	require.NoError(t, err)
}

func TestOpen_RefusesForeignFile(t *testing.T) {
	t.Parallel()
	storage := &journal.Memory{}
	_, err := storage.WriteAt([]byte("something else entirely"), 0)
	require.NoError(t, err)
	_, _, err = journal.Open(storage, nil)
	require.ErrorContains(t, err, "not a journal")
}

// slowSync counts syncs and holds the first until it is released.
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

func TestCommit_ConcurrentCallsShareOneSync(t *testing.T) {
	t.Parallel()
	storage := &slowSync{entered: make(chan struct{}), release: make(chan struct{})}
	j, _, _ := open(t, storage)
	first, err := j.Append([]byte("first"))
	require.NoError(t, err)
	var waiting sync.WaitGroup
	waiting.Go(func() { assert.NoError(t, j.Commit(first)) })
	<-storage.entered
	for range 50 {
		end, err := j.Append([]byte("more"))
		require.NoError(t, err)
		waiting.Go(func() { assert.NoError(t, j.Commit(end)) })
	}
	close(storage.release)
	waiting.Wait()
	require.EqualValues(t, 3, storage.count.Load(), "one for the creation, one for the first, one for the fifty")
}

func TestCommit_FailedSyncIsFinal(t *testing.T) {
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
