package rig

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keysKept is how many keys a file may have.
const keysKept = 100

// KeysFile returns the path of the keys with which every process encrypts payloads.
func (r *Rig) KeysFile() string { return filepath.Join(r.options.Dir, "payload-keys") }

// encrypts reports whether payloads are encrypted.
func (r *Rig) encrypts() bool { return r.options.ReleaseDir == "" }

// RotateKeys puts a new key before those of the key file, so that every process encrypts
// with it once it has read the file again. A payload that was encrypted with it may reach
// a process that has not.
func (r *Rig) RotateKeys() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	before, err := os.ReadFile(r.KeysFile())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	count := bytes.Count(before, []byte("\n"))
	if count == keysKept {
		return nil
	}
	key := make([]byte, 32)
	_, _ = rand.Read(key) // it never fails
	added := fmt.Sprintf("key-%d %s\n%s", count+1, base64.StdEncoding.EncodeToString(key), before)
	temporary := r.KeysFile() + ".new"
	if err := os.WriteFile(temporary, []byte(added), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, r.KeysFile())
}
