package stack

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOpenState_LocksFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, err := openState(dir)
	require.NoError(t, err)

	_, err = openState(dir)
	require.ErrorContains(t, err, "another stack (process ")
	require.ErrorContains(t, err, "runs in "+dir)

	first.close()
	second, err := openState(dir)
	require.NoError(t, err)
	second.close()
}

func TestForget_KeepsBinariesAndOtherFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"bin/local", "notes.txt", "postgres/data/PG_VERSION", "kurrentdb/events.log", "log/worker.log"} {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
	}
	for _, name := range []string{"stack.lock", "temporal.db", "temporal.db-wal", "temporal.db-shm", "inbox.jsonl", "stack.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), nil, 0o600))
	}
	s, err := openState(dir)
	require.NoError(t, err)
	defer s.close()

	require.NoError(t, s.forget())

	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	names := make([]string, len(left))
	for i, entry := range left {
		names[i] = entry.Name()
	}
	require.Equal(t, []string{"bin", "notes.txt", "stack.lock"}, names)
	require.FileExists(t, filepath.Join(dir, "bin", "local"))
}

func TestForget_RefusesFolderOfSomethingElse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	foreign := filepath.Join(dir, "log", "notes.txt")
	require.NoError(t, os.MkdirAll(filepath.Dir(foreign), 0o755))
	require.NoError(t, os.WriteFile(foreign, nil, 0o600))
	s, err := openState(dir)
	require.NoError(t, err)
	defer s.close()
	require.ErrorContains(t, s.forget(), "holds files of something else")
	require.FileExists(t, foreign)
}

func TestRotate_LongLog(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "worker.log")
	require.NoError(t, os.WriteFile(path, make([]byte, maxLog), 0o600))
	rotate(path)
	require.FileExists(t, path, "the log is not over the limit")

	require.NoError(t, os.WriteFile(path, make([]byte, maxLog+1), 0o600))
	rotate(path)

	require.NoFileExists(t, path)
	require.FileExists(t, path+".1")
}
