// Package reread keeps a value that is made from files, such as a certificate, and makes
// it again when their content changes. It owns how often the files are read, and that a
// fault in a changed file changes nothing: the value of before stays until the files can
// be used again. What the files contain is left to the caller's parse function.
//
// The content is compared, not the time of its last change: a file may be written twice
// within the resolution of its file system's clock, and Kubernetes and Compose replace
// files in different ways.
package reread

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"orderflow/internal/config"
)

const (
	interval = time.Second // the files are read at most this often
	maxFile  = 1 << 20     // bytes; the authorities of a whole system are a quarter of that
)

// File is a file that an environment variable names.
type File struct {
	Setting string // the variable
	Path    string
}

// Value is made from files. It is safe for concurrent use.
type Value[T any] struct {
	files    []File
	parse    func(contents [][]byte) (T, error)
	logger   *slog.Logger
	interval time.Duration

	current atomic.Pointer[T]
	stale   atomic.Bool

	reading sync.Mutex // held by the caller that reads the files, while the others use the current value
	readAt  time.Time
	digest  [sha256.Size]byte // of the contents that were parsed last
	invalid error             // the fault of these contents
	logged  string            // the failure that was logged last
}

// Open reads the files and returns the value that parse makes of their contents, which
// are in the order of the files. parse must not quote the contents in its error. A fault
// is a *config.Error of the file's setting, or of the first file's for an error of parse.
func Open[T any](logger *slog.Logger, parse func(contents [][]byte) (T, error), files ...File) (*Value[T], error) {
	v := &Value[T]{files: files, parse: parse, logger: logger, interval: interval, readAt: time.Now()}
	if _, err := v.read(); err != nil {
		return nil, err
	}
	return v, nil
}

// Get returns the value. If the last look at the files is more than a second ago, Get
// reads them first. Other callers do not wait for that, they get the current value.
func (v *Value[T]) Get() T {
	if v.reading.TryLock() {
		if now := time.Now(); now.Sub(v.readAt) >= v.interval {
			v.readAt = now
			v.update()
		}
		v.reading.Unlock()
	}
	return *v.current.Load()
}

// Reread reads the files now, however recent the last look is, and returns the value. It
// is for a caller who knows that the files have changed.
func (v *Value[T]) Reread() T {
	v.reading.Lock()
	defer v.reading.Unlock()
	v.readAt = time.Now()
	v.update()
	return *v.current.Load()
}

// Stale reports whether the files cannot be used, so that the value is the one of before.
// It reads the files as Get does.
func (v *Value[T]) Stale() bool {
	v.Get()
	return v.stale.Load()
}

// update reads the files and logs what changed: a failure once, not at every look.
func (v *Value[T]) update() {
	changed, err := v.read()
	v.stale.Store(err != nil)
	switch {
	case err == nil && (changed || v.logged != ""):
		v.logged = ""
		v.logger.Info("read changed file", "setting", v.files[0].Setting)
	case err != nil && err.Error() != v.logged:
		v.logged = err.Error()
		v.logger.Error("cannot use changed file, keeping what was read before", "setting", v.files[0].Setting, "error", err)
	}
}

// read replaces the value if the contents have changed and can be parsed.
func (v *Value[T]) read() (changed bool, err error) {
	contents := make([][]byte, len(v.files))
	var failures []error
	for i, file := range v.files {
		var err error
		contents[i], err = readFile(file)
		failures = append(failures, err)
	}
	if err := config.Merge(failures...); err != nil {
		return false, err
	}
	digest := digestOf(contents)
	if v.current.Load() != nil && digest == v.digest {
		return false, v.invalid
	}
	value, err := v.parse(contents)
	v.digest, v.invalid = digest, nil
	if err != nil {
		v.invalid = config.Invalid(v.files[0].Setting, "%s", err)
		return false, v.invalid
	}
	v.current.Store(&value)
	return true, nil
}

// readFile returns the content of a file. Its errors leave out the path: if the variable
// was set to the secret itself, the path is the secret.
func readFile(file File) ([]byte, error) {
	content, err := readBounded(file.Path)
	if path, ok := errors.AsType[*os.PathError](err); ok {
		err = path.Err
	}
	if err != nil {
		return nil, config.Invalid(file.Setting, "names a file that cannot be read: %s", err)
	}
	return content, nil
}

func readBounded(path string) ([]byte, error) {
	opened, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	content, err := io.ReadAll(io.LimitReader(opened, maxFile+1))
	if err == nil && len(content) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return content, err
}

// digestOf identifies the contents without keeping them: they may be secrets.
func digestOf(contents [][]byte) (digest [sha256.Size]byte) {
	hash := sha256.New()
	for _, content := range contents {
		_ = binary.Write(hash, binary.BigEndian, uint64(len(content))) // a hash accepts every write
		hash.Write(content)
	}
	hash.Sum(digest[:0])
	return digest
}
