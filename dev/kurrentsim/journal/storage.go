package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// Storage is what a journal writes to: a File or a Memory.
type Storage interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Size() (int64, error)
	Truncate(size int64) error
	Close() error
}

// File is a journal file in a data directory that only this process may use.
type File struct {
	*os.File
	lock *os.File
}

// fileName is the journal's name in the data directory.
const fileName = "events.log"

// OpenFile opens or creates the journal in dir, and creates dir if necessary. It fails if
// another process has it open.
func OpenFile(dir string) (*File, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create data directory: %w", err)
	}
	lock, err := lockDir(dir)
	if err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, fileName), os.O_RDWR|os.O_CREATE, 0o644)
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open journal: %w", err), lock.Close())
	}
	return &File{File: file, lock: lock}, nil
}

// Size returns the file's length in bytes.
func (f *File) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// Close closes the file and unlocks the directory.
func (f *File) Close() error { return errors.Join(f.File.Close(), f.lock.Close()) }

// syncDir makes a newly created file's name durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// memoryBlock is large enough to keep the table of blocks short, and small enough to keep
// a test's store small.
const memoryBlock = 256 << 10

// Memory keeps a journal in memory, in blocks, so that growing never copies existing
// data.
type Memory struct {
	mu     sync.RWMutex
	blocks [][]byte
	size   int64
}

// WriteAt writes p at offset, growing the memory as needed.
func (m *Memory) WriteAt(p []byte, offset int64) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for need := offset + int64(len(p)); int64(len(m.blocks))*memoryBlock < need; {
		m.blocks = append(m.blocks, make([]byte, memoryBlock))
	}
	for done := 0; done < len(p); {
		at := offset + int64(done)
		done += copy(m.blocks[at/memoryBlock][at%memoryBlock:], p[done:])
	}
	m.size = max(m.size, offset+int64(len(p)))
	return len(p), nil
}

// ReadAt reads into p from offset.
func (m *Memory) ReadAt(p []byte, offset int64) (int, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	done := 0
	for done < len(p) && offset+int64(done) < m.size {
		at := offset + int64(done)
		block := m.blocks[at/memoryBlock]
		until := min(memoryBlock, m.size-at/memoryBlock*memoryBlock)
		done += copy(p[done:], block[at%memoryBlock:until])
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// Sync does nothing.
func (m *Memory) Sync() error { return nil }

// Size returns the number of bytes written.
func (m *Memory) Size() (int64, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.size, nil
}

// Truncate discards everything from size on.
func (m *Memory) Truncate(size int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.size = min(m.size, size)
	return nil
}

// Close does nothing.
func (m *Memory) Close() error { return nil }
