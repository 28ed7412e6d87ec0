package journal_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"orderflow/dev/kurrentsim/journal"
)

// FuzzOpen opens arbitrary bytes: they are rejected, or cut to a journal that opens again
// unchanged.
func FuzzOpen(f *testing.F) {
	storage := &journal.Memory{}
	j, _, err := journal.Open(storage, nil)
	require.NoError(f, err)
	for _, payload := range []string{"first", "second", "third"} {
		end, err := j.Append([]byte(payload))
		require.NoError(f, err)
		require.NoError(f, j.Commit(end))
	}
	whole := make([]byte, j.End())
	_, err = storage.ReadAt(whole, 0)
	require.NoError(f, err)
	f.Add(whole)
	f.Add(whole[:len(whole)-3])
	f.Add([]byte("ksimlog"))
	f.Fuzz(func(t *testing.T, content []byte) {
		storage := &journal.Memory{}
		_, err := storage.WriteAt(content, 0)
		require.NoError(t, err)
		count := 0
		visit := func(int64, []byte) error { count++; return nil }
		if _, _, err := journal.Open(storage, visit); err != nil {
			return
		}
		first := count
		_, cut, err := journal.Open(storage, visit)
		require.NoError(t, err)
		require.Zero(t, cut)
		require.Equal(t, 2*first, count)
	})
}
