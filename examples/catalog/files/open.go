package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"example.com/catalog/video"
)

// Names in the folder.
const (
	lockFile        = "lock"
	locationFile    = "id"
	temporaryFolder = "tmp"
	keptFolder      = "kept"
)

// ErrInUse is returned for a folder that another process has open.
var ErrInUse = errors.New("another process uses the folder")

// OpenDisk opens a folder, and creates it if it does not exist. It removes the temporary
// files that an earlier process left. It returns ErrInUse if another process has the
// folder open, because that process uses the temporary files.
func OpenDisk(folder string) (*Disk, error) {
	folder, err := filepath.Abs(folder)
	if err != nil {
		return nil, err
	}
	d := &Disk{folder: folder}
	if err := d.open(); err != nil {
		if d.lock != nil {
			_ = d.lock.Close()
		}
		return nil, fmt.Errorf("open the folder of files %s: %w", folder, err)
	}
	return d, nil
}

func (d *Disk) open() (err error) {
	if err := os.MkdirAll(d.folder, 0o700); err != nil {
		return err
	}
	if d.lock, err = lock(filepath.Join(d.folder, lockFile)); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(d.folder, temporaryFolder)); err != nil {
		return err
	}
	for _, name := range []string{temporaryFolder, keptFolder} {
		if err := os.MkdirAll(filepath.Join(d.folder, name), 0o700); err != nil {
			return err
		}
	}
	if d.location, err = d.identify(); err != nil {
		return err
	}
	return errors.Join(syncFolder(d.folder), syncFolder(filepath.Dir(d.folder)))
}

// lock returns the open file that holds the lock. The kernel releases the lock when the
// file is closed, also by a crash. Programs that this process starts do not inherit it.
func lock(path string) (*os.File, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return file, nil
	}
	_ = file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, ErrInUse
	}
	return nil, fmt.Errorf("lock %s: %w", path, err)
}

// identify returns the folder's id, which it creates the first time. Commands contain the
// id, so an unreadable id is an error and is never replaced.
func (d *Disk) identify() (string, error) {
	path := filepath.Join(d.folder, locationFile)
	content, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return d.newIdentity(path)
	}
	if err != nil {
		return "", err
	}
	id := strings.TrimSpace(string(content))
	if err := video.ParseID(id); err != nil {
		return "", fmt.Errorf("%s has to hold the UUID of the folder", path)
	}
	return id, nil
}

func (d *Disk) newIdentity(path string) (string, error) {
	id := video.NewID()
	file, err := os.CreateTemp(filepath.Join(d.folder, temporaryFolder), locationFile)
	if err != nil {
		return "", err
	}
	_, err = file.WriteString(id + "\n")
	if err := errors.Join(err, file.Sync(), file.Close()); err != nil {
		return "", err
	}
	return id, os.Rename(file.Name(), path)
}

// syncFolder makes the names in a folder survive a power failure.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
