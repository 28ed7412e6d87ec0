package stack

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// state is the folder that a stack keeps everything in, locked by this process.
type state struct {
	dir  string
	lock *os.File
	ours bool // the folder was empty, or a stack has used it before
}

// openState locks the folder. The lock ends with this process, however it ends.
func openState(dir string) (*state, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	path := filepath.Join(dir, lockFile)
	ours := used(dir)
	lock, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("state folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		return nil, fmt.Errorf("another stack%s runs in %s: stop it, or choose another folder with --state", holder(path), dir)
	}
	s := &state{dir: dir, lock: lock, ours: ours}
	// Only for the message above: the lock itself is what counts.
	_ = lock.Truncate(0)
	_, _ = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	return s, nil
}

// used reports whether the folder is empty or a stack has used it before.
func used(dir string) bool {
	if _, err := os.Stat(filepath.Join(dir, lockFile)); err == nil {
		return true
	}
	entries, err := os.ReadDir(dir)
	return err == nil && !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() != "bin" })
}

func holder(path string) string {
	pid, err := os.ReadFile(path)
	if err != nil || len(pid) == 0 {
		return ""
	}
	return fmt.Sprintf(" (process %s)", strings.TrimSpace(string(pid)))
}

// The names of what a stack keeps in its folder. Nothing else there is ever removed.
const (
	lockFile       = "stack.lock"
	postgresDir    = "postgres"
	kurrentdbDir   = "kurrentdb"
	temporalFile   = "temporal.db"
	inboxFile      = "inbox.jsonl"
	tokensFile     = "api-tokens"
	logDir         = "log"
	descriptorFile = "stack.json"
)

// forget deletes the state of earlier runs. It keeps the binaries and the lock. It
// refuses a folder that no stack has used: a postgres or log folder there belongs to
// something else.
func (s *state) forget() error {
	if !s.ours {
		return fmt.Errorf("start over: %s holds files of something else: choose another folder with --state", s.dir)
	}
	for _, name := range []string{
		postgresDir, kurrentdbDir, temporalFile, temporalFile + "-wal", temporalFile + "-shm", inboxFile, tokensFile, logDir, descriptorFile,
	} {
		if err := os.RemoveAll(filepath.Join(s.dir, name)); err != nil {
			return fmt.Errorf("start over: %w", err)
		}
	}
	return nil
}

// describe writes stack.json atomically. Only its owner may read it, because it contains
// the database password.
func (s *state) describe(d Description) error {
	body, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return fmt.Errorf("describe the stack: %w", err)
	}
	path := filepath.Join(s.dir, descriptorFile)
	fresh := path + ".new"
	if err := os.WriteFile(fresh, append(body, '\n'), 0o600); err != nil {
		return fmt.Errorf("describe the stack: %w", err)
	}
	if err := os.Rename(fresh, path); err != nil {
		return fmt.Errorf("describe the stack: %w", err)
	}
	return nil
}

// withdraw removes stack.json, whose presence means that the stack is ready.
func (s *state) withdraw() { _ = os.Remove(filepath.Join(s.dir, descriptorFile)) }

func (s *state) close() { _ = s.lock.Close() }

// maxLog is the size above which a log is rotated when a stack starts. The previously
// rotated log is overwritten.
const maxLog = 10 << 20

func rotate(path string) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		_ = os.Rename(path, path+".1")
	}
}
