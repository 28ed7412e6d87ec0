package files

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"example.com/catalog/video"
)

// Errors of the methods of Disk, wrapped with the name of the file. They are for
// errors.Is.
var (
	ErrNotFound = errors.New("no such file")
	ErrExists   = errors.New("the file is there already")
	ErrEmpty    = errors.New("the file is empty")
	ErrTooLarge = errors.New("the file is too large")
	ErrFull     = errors.New("the disk is full")
)

// Disk keeps files in a folder. It is safe for concurrent use.
type Disk struct {
	folder   string
	location string
	lock     *os.File
	names    sync.Mutex // held while a name is given or removed
}

// Location returns the id of the folder, which never changes.
//
// On S3 it would be empty: every machine can read every file.
func (d *Disk) Location() string { return d.location }

// Close releases the folder for another process.
func (d *Disk) Close() error { return d.lock.Close() }

// Save stores what it reads as a new file. It returns ErrEmpty if there is nothing to
// read, ErrTooLarge if there are more than limit bytes, ErrFull if they do not fit on the
// disk, and ErrExists if the name is taken. ctx is checked between reads, so a reader
// that blocks needs its own deadline.
//
// On S3 it would be a multipart upload, aborted on an error, and completed on the
// condition that the key is new (If-None-Match: *).
func (d *Disk) Save(ctx context.Context, name string, from io.Reader, limit int64) (video.File, error) {
	temporary, remove, err := d.Temporary(name)
	if err != nil {
		return video.File{}, err
	}
	defer remove()
	to, err := os.OpenFile(temporary, os.O_WRONLY, 0)
	if err != nil {
		return video.File{}, wrapError(name, err)
	}
	defer to.Close() // it was synced by publish, or is removed
	file, err := d.copyAndHash(ctx, name, to, from, limit)
	if err == nil {
		err = d.publish(to, temporary, name)
	}
	if err != nil {
		return video.File{}, wrapError(name, err)
	}
	return file, nil
}

// Local returns the path of a file on this machine, for a program that reads it. The
// program must not change the file. The caller calls release when the program has ended.
// Local returns ErrNotFound if there is no such file. On a disk, release does nothing and
// ctx is not used.
//
// On S3 it would download the object into tmp/, and release would remove that copy.
func (d *Disk) Local(_ context.Context, name string) (path string, release func(), err error) {
	path, err = d.find(name)
	if err != nil {
		return "", nil, err
	}
	return path, func() {}, nil
}

// Open opens a file for reading. It returns ErrNotFound if there is no such file.
//
// On S3 it would return a reader that requests the ranges which are read, or the caller
// would redirect to a presigned URL.
func (d *Disk) Open(name string) (io.ReadSeekCloser, error) {
	path, err := d.find(name)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, wrapError(name, err)
	}
	return file, nil
}

// find returns the path of a file. It returns ErrNotFound if there is no such file.
func (d *Disk) find(name string) (string, error) {
	if !video.IsName(name) {
		return "", wrapError(name, ErrNotFound)
	}
	path := d.path(name)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, err := os.Stat(filepath.Dir(path)); err != nil { // the volume may have been unmounted
			return "", wrapError(name, err)
		}
		return "", wrapError(name, ErrNotFound)
	case err != nil:
		return "", wrapError(name, err)
	case !info.Mode().IsRegular():
		return "", wrapError(name, ErrNotFound)
	}
	return path, nil
}

// Temporary creates an empty file in the folder tmp/ for a program to write to. The
// file's name is new and ends in the given name. The caller calls remove at the end, also
// after Keep. After a crash, the next OpenDisk removes the file.
//
// On S3 it would be the same: programs need a file.
func (d *Disk) Temporary(name string) (path string, remove func(), err error) {
	if !video.IsName(name) {
		return "", nil, fmt.Errorf("%w: %q is not the name of a file", video.ErrInvalid, name)
	}
	file, err := os.CreateTemp(filepath.Join(d.folder, temporaryFolder), "*-"+name)
	if err != nil {
		return "", nil, wrapError(name, err)
	}
	path = file.Name()
	return path, func() { _ = os.Remove(path) }, wrapError(name, file.Close())
}

// Keep stores a temporary file under a name. It returns ErrFull if it does not fit on the
// disk. If the name is taken, Keep changes nothing and returns the existing file: an
// earlier attempt kept it, and its event may have been written already. temporary may be
// that file itself.
//
// On S3 it would upload the file on the condition that the key is new (If-None-Match: *).
func (d *Disk) Keep(ctx context.Context, temporary, name string) (video.File, error) {
	if !video.IsName(name) {
		return video.File{}, fmt.Errorf("%w: %q is not the name of a file", video.ErrInvalid, name)
	}
	from, err := os.Open(temporary)
	if err != nil {
		return video.File{}, wrapError(name, err)
	}
	defer from.Close()
	info, err := from.Stat()
	switch {
	case err != nil:
		return video.File{}, wrapError(name, err)
	case ctx.Err() != nil:
		return video.File{}, wrapError(name, context.Cause(ctx))
	case info.Size() == 0:
		return video.File{}, wrapError(name, ErrEmpty)
	}
	if err := d.publish(from, temporary, name); err != nil && !errors.Is(err, ErrExists) {
		return video.File{}, wrapError(name, err)
	}
	return d.Describe(ctx, name)
}

// Describe reads a file and returns its size and hash, which the caller compares with
// those in a message. It returns ErrNotFound if there is no such file.
//
// On S3 it would read the size and the checksum that are stored with the object.
func (d *Disk) Describe(ctx context.Context, name string) (video.File, error) {
	from, err := d.Open(name)
	if err != nil {
		return video.File{}, err
	}
	defer from.Close()
	file, err := d.copyAndHash(ctx, name, io.Discard, from, math.MaxInt64-1)
	return file, wrapError(name, err)
}

// publish syncs a temporary file and moves it to its name. It links and never renames,
// because a rename would replace an existing file. It returns ErrExists if there is one.
// In both cases the file of that name survives a power failure.
func (d *Disk) publish(file *os.File, temporary, name string) error {
	if err := file.Sync(); err != nil {
		return err
	}
	taken := d.link(temporary, name)
	if taken != nil && !errors.Is(taken, ErrExists) {
		return taken
	}
	if err := syncFolder(filepath.Dir(d.path(name))); err != nil {
		return err
	}
	if taken != nil {
		return taken
	}
	return os.Remove(temporary)
}

// copyAndHash copies 1 to limit bytes, and returns the size and hash of what it copied.
func (d *Disk) copyAndHash(
	ctx context.Context, name string, to io.Writer, from io.Reader, limit int64,
) (video.File, error) {
	sum := sha256.New()
	size, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(reader{ctx, from}, limit+1))
	switch {
	case err != nil:
		return video.File{}, err
	case size == 0:
		return video.File{}, ErrEmpty
	case size > limit:
		return video.File{}, ErrTooLarge
	}
	return video.File{Name: name, Location: d.location, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, nil
}

func (d *Disk) path(name string) string { return filepath.Join(d.folder, keptFolder, name) }

// reader returns an error once ctx has ended.
type reader struct {
	ctx  context.Context
	from io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.from.Read(p)
}

// wrapError adds a file's name to an error, and ErrFull to an error that means a full
// disk.
func wrapError(name string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("file %q: %w: %w", name, ErrFull, err)
	}
	return fmt.Errorf("file %q: %w", name, err)
}
