package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"example.com/catalog/video"
)

const limit = 1 << 20

func open(t *testing.T, folder string) *Disk {
	t.Helper()
	d, err := OpenDisk(folder)
	require.NoError(t, err)
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// requireOnly requires that the folder holds these files and no temporary ones.
func requireOnly(t *testing.T, d *Disk, names ...string) {
	t.Helper()
	require.ElementsMatch(t, names, list(t, filepath.Join(d.folder, keptFolder)))
	require.Empty(t, list(t, filepath.Join(d.folder, temporaryFolder)))
}

func list(t *testing.T, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func described(d *Disk, name, content string) video.File {
	sum := sha256.Sum256([]byte(content))
	return video.File{
		Name: name, Location: d.Location(), Bytes: int64(len(content)), SHA256: hex.EncodeToString(sum[:]),
	}
}

func save(t *testing.T, d *Disk, name, content string) {
	t.Helper()
	_, err := d.Save(t.Context(), name, strings.NewReader(content), limit)
	require.NoError(t, err)
}

func read(t *testing.T, d *Disk, name string) string {
	t.Helper()
	file, err := d.Open(name)
	require.NoError(t, err)
	content, err := io.ReadAll(file)
	require.NoError(t, errors.Join(err, file.Close()))
	return string(content)
}

func TestOpenDisk(t *testing.T) {
	t.Run("keeps the location, and refuses a second user until the first is gone", func(t *testing.T) {
		folder := filepath.Join(t.TempDir(), "a", "b")
		first := open(t, folder)
		require.NoError(t, video.ParseID(first.Location()))
		_, err := OpenDisk(folder)
		require.ErrorIs(t, err, ErrInUse)
		require.ErrorContains(t, err, folder)
		require.NoError(t, first.Close())
		require.Equal(t, first.Location(), open(t, folder).Location())
	})
	t.Run("removes temporary files and nothing else", func(t *testing.T) {
		d := open(t, t.TempDir())
		save(t, d, "a.mp4", "content")
		path, _, err := d.Temporary("b.mp4")
		require.NoError(t, err)
		require.NoError(t, d.Close())
		d = open(t, d.folder)
		require.NoFileExists(t, path)
		requireOnly(t, d, "a.mp4")
		require.Equal(t, "content", read(t, d, "a.mp4"))
	})
	t.Run("never replaces an id that it cannot read", func(t *testing.T) {
		d := open(t, t.TempDir())
		require.NoError(t, d.Close())
		path := filepath.Join(d.folder, locationFile)
		require.NoError(t, os.WriteFile(path, []byte("damaged"), 0o600))
		_, err := OpenDisk(d.folder)
		require.ErrorContains(t, err, path)
		content, err := os.ReadFile(path)
		require.NoError(t, err)
		require.Equal(t, "damaged", string(content))
		require.NoError(t, os.WriteFile(path, []byte(d.Location()), 0o600))
		require.Equal(t, d.Location(), open(t, d.folder).Location(), "and holds no lock after the error")
	})
	t.Run("returns the error for a folder that cannot be made", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(file, nil, 0o600))
		_, err := OpenDisk(filepath.Join(file, "folder"))
		require.ErrorIs(t, err, syscall.ENOTDIR)
	})
}

func TestSave(t *testing.T) {
	t.Run("stores, counts and hashes up to the limit", func(t *testing.T) {
		d := open(t, t.TempDir())
		file, err := d.Save(t.Context(), "a.mp4", iotest.OneByteReader(strings.NewReader("content")), 7)
		require.NoError(t, err)
		require.Equal(t, described(d, "a.mp4", "content"), file)
		require.Equal(t, "content", read(t, d, "a.mp4"))
		again, err := d.Describe(t.Context(), "a.mp4")
		require.NoError(t, err)
		require.Equal(t, file, again)
		requireOnly(t, d, "a.mp4")
	})
	t.Run("leaves nothing of what it refuses", func(t *testing.T) {
		d := open(t, t.TempDir())
		torn := errors.New("connection torn")
		ended, end := context.WithCancelCause(t.Context())
		end(torn)
		for _, c := range []struct {
			ctx  context.Context
			from io.Reader
			want error
		}{
			{t.Context(), strings.NewReader(""), ErrEmpty},
			{t.Context(), strings.NewReader("12345678"), ErrTooLarge},
			{t.Context(), io.MultiReader(strings.NewReader("1"), iotest.ErrReader(torn)), torn},
			{ended, strings.NewReader("1"), torn},
		} {
			_, err := d.Save(c.ctx, "a.mp4", c.from, 7)
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, "a.mp4")
			requireOnly(t, d)
		}
	})
	t.Run("never replaces a file", func(t *testing.T) {
		d := open(t, t.TempDir())
		save(t, d, "a.mp4", "first")
		_, err := d.Save(t.Context(), "a.mp4", strings.NewReader("second"), limit)
		require.ErrorIs(t, err, ErrExists)
		require.Equal(t, "first", read(t, d, "a.mp4"))
		requireOnly(t, d, "a.mp4")
	})
	t.Run("refuses what is no name", func(t *testing.T) {
		d := open(t, t.TempDir())
		for _, name := range badNames() {
			_, err := d.Save(t.Context(), name, strings.NewReader("1"), limit)
			require.ErrorIs(t, err, video.ErrInvalid, name)
		}
		requireOnly(t, d)
	})
	t.Run("reports a full disk", func(t *testing.T) {
		d := open(t, t.TempDir())
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0) // the kernel's full disk: each write is ENOSPC
		require.NoError(t, err)
		defer full.Close()
		_, err = d.copyAndHash(t.Context(), "a.mp4", full, strings.NewReader("1"), limit)
		require.ErrorIs(t, err, syscall.ENOSPC)
		require.ErrorIs(t, wrapError("a.mp4", err), ErrFull)
		require.ErrorIs(t, wrapError("a.mp4", &os.PathError{Err: syscall.EDQUOT}), ErrFull)
		require.NotErrorIs(t, wrapError("a.mp4", io.ErrUnexpectedEOF), ErrFull)
	})
}

func TestKeep(t *testing.T) {
	t.Run("keeps a whole file once", func(t *testing.T) {
		d := open(t, t.TempDir())
		for _, content := range []string{"first", "second attempt"} {
			path, remove, err := d.Temporary("a.mp4")
			require.NoError(t, err)
			require.True(t, strings.HasSuffix(path, "a.mp4"), path)
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			file, err := d.Keep(t.Context(), path, "a.mp4")
			require.NoError(t, err)
			require.Equal(t, described(d, "a.mp4", "first"), file)
			remove()
			requireOnly(t, d, "a.mp4")
		}
		require.Equal(t, "first", read(t, d, "a.mp4"))
	})
	t.Run("reads the file once, also if an earlier attempt kept it", func(t *testing.T) {
		d := open(t, t.TempDir())
		content := strings.Repeat("x", 32<<10*8) // io.Copy reads 32 KiB at a time
		for range 2 {
			path, remove, err := d.Temporary("a.mp4")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
			ctx := &countedReads{Context: t.Context()}
			file, err := d.Keep(ctx, path, "a.mp4")
			require.NoError(t, err)
			require.Equal(t, described(d, "a.mp4", content), file)
			require.LessOrEqual(t, ctx.reads, 10)
			remove()
			ctx.reads = 0
			file, err = d.Keep(ctx, d.path("a.mp4"), "a.mp4")
			require.NoError(t, err)
			require.Equal(t, described(d, "a.mp4", content), file)
			require.LessOrEqual(t, ctx.reads, 10, "what is kept is kept again")
		}
		requireOnly(t, d, "a.mp4")
	})
	t.Run("keeps nothing empty, canceled or missing", func(t *testing.T) {
		d := open(t, t.TempDir())
		path, remove, err := d.Temporary("a.mp4")
		require.NoError(t, err)
		_, err = d.Keep(t.Context(), path, "a.mp4")
		require.ErrorIs(t, err, ErrEmpty)
		require.NoError(t, os.WriteFile(path, []byte("1"), 0o600))
		ended, end := context.WithCancel(t.Context())
		end()
		_, err = d.Keep(ended, path, "a.mp4")
		require.ErrorIs(t, err, context.Canceled)
		remove()
		_, err = d.Keep(t.Context(), path, "a.mp4")
		require.ErrorIs(t, err, os.ErrNotExist)
		requireOnly(t, d)
	})
	t.Run("lets one of many win", func(t *testing.T) {
		d := open(t, t.TempDir())
		kept := make([]video.File, 8)
		var all sync.WaitGroup
		for i := range kept {
			path, remove, err := d.Temporary("a.mp4")
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(path, []byte(strings.Repeat("x", i+1)), 0o600))
			all.Go(func() {
				defer remove()
				kept[i], _ = d.Keep(t.Context(), path, "a.mp4")
			})
		}
		all.Wait()
		for _, file := range kept {
			require.Equal(t, described(d, "a.mp4", read(t, d, "a.mp4")), file)
		}
		requireOnly(t, d, "a.mp4")
	})
}

// countedReads counts how often it is asked whether it has ended, which is before each read.
type countedReads struct {
	context.Context
	reads int
}

func (c *countedReads) Err() error {
	c.reads++
	return c.Context.Err()
}

func TestDisk_NotFound(t *testing.T) {
	d := open(t, t.TempDir())
	save(t, d, "a.mp4", "1")
	require.NoError(t, os.Symlink("/etc/passwd", d.path("link")))
	for _, name := range append(badNames(), "b.mp4", "link", lockFile, locationFile, temporaryFolder) {
		_, _, err := d.Local(t.Context(), name)
		require.ErrorIs(t, err, ErrNotFound, name)
		file, err := d.Open(name)
		require.ErrorIs(t, err, ErrNotFound, name)
		require.Nil(t, file, name)
		_, err = d.Describe(t.Context(), name)
		require.ErrorIs(t, err, ErrNotFound, name)
	}
}

func TestLocal(t *testing.T) {
	d := open(t, t.TempDir())
	save(t, d, "a.mp4", "1")
	path, release, err := d.Local(t.Context(), "a.mp4")
	require.NoError(t, err)
	require.FileExists(t, path)
	release()
	require.Equal(t, "1", read(t, d, "a.mp4"), "release keeps the file")
}

func badNames() []string {
	return []string{
		"", ".", "..", "../id", "a/b", "/etc/passwd", "-o", "_a", ".a", "a b", "a\x00", "ä", strings.Repeat("a", 101),
	}
}

// FuzzPath checks that no name leads out of the folder.
func FuzzPath(f *testing.F) {
	for _, name := range append(badNames(), "a.mp4") {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		d := &Disk{folder: "/folder"}
		if video.IsName(name) {
			require.Equal(t, "/folder/"+keptFolder, filepath.Dir(d.path(name)))
			require.Equal(t, name, filepath.Base(d.path(name)))
		}
	})
}

// A file is gone only if the folder is there: its volume may be mounted again.
func TestLocal_FolderIsAway(t *testing.T) {
	folder := t.TempDir()
	d := open(t, folder)
	require.NoError(t, os.Rename(filepath.Join(folder, keptFolder), filepath.Join(folder, "away")))
	_, _, err := d.Local(t.Context(), "a.mp4")
	require.Error(t, err)
	require.NotErrorIs(t, err, ErrNotFound)
}
