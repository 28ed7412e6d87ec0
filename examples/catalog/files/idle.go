package files

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// Idle returns the names of the files that neither Save nor Keep has stored or found
// since a time.
//
// On S3 it would list the objects, which have a time, too.
func (d *Disk) Idle(since time.Time) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Join(d.folder, keptFolder))
	if err != nil {
		return nil, fmt.Errorf("list files: %w", err)
	}
	for _, entry := range entries {
		info, err := entry.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // removed meanwhile
		case err != nil:
			return nil, fmt.Errorf("list files: %w", err)
		case info.Mode().IsRegular() && info.ModTime().Before(since):
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// RemoveIdle removes a file, unless Save or Keep has stored or found it since a time, and
// reports whether it did. So a caller may look for messages about a file that is idle, and
// remove it if there are none: a message that is appended meanwhile follows a Save or
// Keep.
//
// On S3 it would delete the object on the condition that it is still the same (If-Match),
// and Save and Keep would replace an object that they find by itself, which changes its
// time.
func (d *Disk) RemoveIdle(name string, since time.Time) (removed bool, err error) {
	path, err := d.find(name)
	if err != nil {
		return false, err
	}
	d.names.Lock()
	defer d.names.Unlock()
	info, err := os.Stat(path)
	if err != nil || !info.ModTime().Before(since) {
		return false, wrapError(name, err)
	}
	return true, wrapError(name, os.Remove(path))
}

// link names a temporary file. It returns ErrExists if the name is taken. In both cases
// the file of that name is not idle.
func (d *Disk) link(temporary, name string) error {
	d.names.Lock()
	defer d.names.Unlock()
	taken := os.Link(temporary, d.path(name))
	if taken != nil && !errors.Is(taken, fs.ErrExist) {
		return taken
	}
	now := time.Now()
	if err := os.Chtimes(d.path(name), now, now); err != nil {
		return err
	}
	if taken != nil {
		return ErrExists
	}
	return nil
}
