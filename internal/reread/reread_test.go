package reread

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"orderflow/internal/config"
)

// pair is a value of two files, read at every Get.
type pair struct {
	*Value[string]
	first, second string
	log           *bytes.Buffer
}

func newPair(t *testing.T) pair {
	t.Helper()
	dir := t.TempDir()
	p := pair{first: filepath.Join(dir, "first"), second: filepath.Join(dir, "second"), log: &bytes.Buffer{}}
	write(t, p.first, "a")
	write(t, p.second, "b")
	var err error
	p.Value, err = Open(slog.New(slog.NewTextHandler(p.log, nil)), join, File{"FIRST", p.first}, File{"SECOND", p.second})
	require.NoError(t, err)
	p.interval = 0
	return p
}

func join(contents [][]byte) (string, error) {
	joined := string(bytes.Join(contents, []byte("+")))
	if strings.Contains(joined, "?") {
		return "", errors.New("has a question mark")
	}
	return joined, nil
}

func write(t *testing.T, path, content string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
}

func TestGet(t *testing.T) {
	t.Parallel()
	t.Run("returns the changed content of each file", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		require.Equal(t, "a+b", p.Get())
		write(t, p.second, "c")
		require.Equal(t, "a+c", p.Get())
		write(t, p.first, "d")
		require.Equal(t, "d+c", p.Get())
		require.Equal(t, 2, strings.Count(p.log.String(), "read changed file"), p.log)
	})
	t.Run("notices a file that is replaced by a rename, as Kubernetes replaces it", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		other := p.first + ".new"
		write(t, other, "z")
		require.NoError(t, os.Rename(other, p.first))
		require.Equal(t, "z+b", p.Get())
	})
	t.Run("notices a byte that moves from one file to the other", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		write(t, p.first, "ab")
		write(t, p.second, "")
		require.Equal(t, "ab+", p.Get())
	})
	t.Run("keeps the value while a file cannot be used, and logs why once", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		write(t, p.first, "hunter2?")
		for range 3 {
			require.Equal(t, "a+b", p.Get())
			require.True(t, p.Stale())
		}
		require.Equal(t, 1, strings.Count(p.log.String(), "FIRST: has a question mark"), p.log)
		require.NoError(t, os.Remove(p.second))
		for range 3 {
			require.Equal(t, "a+b", p.Get())
			require.True(t, p.Stale())
		}
		require.Equal(t, 1, strings.Count(p.log.String(), "SECOND: names a file that cannot be read: no such file or directory"), p.log)
		write(t, p.second, "b")
		write(t, p.first, "a")
		require.Equal(t, "a+b", p.Get())
		require.False(t, p.Stale())
		require.Equal(t, 1, strings.Count(p.log.String(), "read changed file"), "the operator sees that it is repaired")
		require.NotContains(t, p.log.String(), "hunter2")
	})
	t.Run("reads at most once an interval", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		p.interval = time.Hour
		write(t, p.first, "c")
		require.Equal(t, "a+b", p.Get())
	})
	t.Run("serves concurrent callers", func(t *testing.T) {
		t.Parallel()
		p := newPair(t)
		var callers sync.WaitGroup
		for range 8 {
			callers.Go(func() {
				for range 100 {
					if got := p.Get(); got != "a+b" && got != "c+b" {
						t.Errorf("got %q", got)
					}
				}
			})
		}
		other := p.first + ".new"
		write(t, other, "c")
		require.NoError(t, os.Rename(other, p.first))
		callers.Wait()
		require.Equal(t, "c+b", p.Get())
	})
}

func TestOpen_ReportsFaultsWithoutContentsAndPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		write(t, path, content)
		return path
	}
	for want, files := range map[string][]File{
		"A: names a file that cannot be read: no such file or directory\n" +
			"B: names a file that cannot be read: is a directory": {{"A", filepath.Join(dir, "hunter2")}, {"B", dir}},
		"A: has a question mark": {{"A", file("fault", "hunter2?")}},
		"A: names a file that cannot be read: it has more than 1048576 bytes": {{"A", file("long", strings.Repeat("x", maxFile+1))}},
	} {
		_, err := Open(slog.New(slog.DiscardHandler), join, files...)
		require.EqualError(t, err, want)
		require.Equal(t, config.ExitConfiguration, config.ExitCode(err))
	}
}
