package payloadcodec

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"
)

// The limits of a key file.
const (
	maxFile = 64 << 10
	maxKeys = 100
	keySize = 32 // bytes, for AES-256
)

// recheck is how often the file is looked at, at most.
const recheck = time.Second

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keys are the keys of a file. They are read again when the file has changed. It is safe
// for concurrent use.
type Keys struct {
	path   string
	logger *slog.Logger

	mu      sync.Mutex
	ring    ring
	version fileVersion // of the ring
	checked time.Time   // when the file was last looked at
	failing bool        // the last look failed
}

// ring is the keys of one version of the file.
type ring struct {
	current string // id of the key that encrypts
	ciphers map[string]cipher.AEAD
}

// fileVersion changes when a file is written or replaced.
type fileVersion struct {
	modified time.Time
	size     int64
}

// OpenKeys reads a key file: on each line the id of a key, blanks, and the key, 32 bytes
// in base64. Blank lines, and those that begin with #, do not count. The error names the
// line and never quotes it.
func OpenKeys(path string, logger *slog.Logger) (*Keys, error) {
	k := &Keys{path: path, logger: logger, checked: time.Now()}
	if err := k.read(); err != nil {
		return nil, err
	}
	return k, nil
}

// encrypting returns the key that encrypts.
func (k *Keys) encrypting() (id string, with cipher.AEAD) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refresh()
	return k.ring.current, k.ring.ciphers[k.ring.current]
}

// decrypting returns the key with an id, or nil. If there is none, another process may
// have read a newer file: so it looks at the file first, whenever that was done last.
func (k *Keys) decrypting(id string) cipher.AEAD {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ring.ciphers[id] == nil {
		k.checked = time.Time{}
	}
	k.refresh()
	return k.ring.ciphers[id]
}

// refresh reads the file if it has changed. What is wrong with the new content is logged,
// and the keys that were read before stay in use.
func (k *Keys) refresh() {
	if time.Since(k.checked) < recheck {
		return
	}
	k.checked = time.Now()
	err := k.read()
	if err != nil && !k.failing {
		k.logger.Error("payload keys not read again, those read before stay in use", "error", err)
	}
	k.failing = err != nil
}

func (k *Keys) read() error {
	file, err := os.Open(k.path)
	if err != nil {
		return withoutPath(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return withoutPath(err)
	}
	version := fileVersion{info.ModTime(), info.Size()}
	if version == k.version {
		return nil
	}
	content, err := io.ReadAll(io.LimitReader(file, maxFile+1))
	if err != nil {
		return withoutPath(err)
	}
	parsed, err := parseKeys(string(content))
	if err != nil {
		return err
	}
	if k.ring.current != "" {
		k.logger.Info("payload keys read again", "keys", len(parsed.ciphers), "current", parsed.current)
	}
	k.ring, k.version = parsed, version
	return nil
}

// withoutPath leaves out the path: if the variable was set to a key itself, it is the key.
func withoutPath(err error) error {
	if path, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("cannot be read: %w", path.Err)
	}
	return err
}

func parseKeys(content string) (ring, error) {
	if len(content) > maxFile {
		return ring{}, fmt.Errorf("has more than %d bytes", maxFile)
	}
	r := ring{ciphers: map[string]cipher.AEAD{}}
	number := 0
	for line := range strings.Lines(content) {
		number++
		fields := strings.Fields(line)
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		if err := r.add(fields); err != nil {
			return ring{}, fmt.Errorf("line %d: %w", number, err)
		}
	}
	if r.current == "" {
		return ring{}, errors.New("has no key")
	}
	return r, nil
}

func (r *ring) add(fields []string) error {
	if len(fields) != 2 || !keyID.MatchString(fields[0]) {
		return errors.New("must be an id of 1 to 64 of [A-Za-z0-9._-], blanks, and a key")
	}
	id := fields[0]
	key, err := base64.StdEncoding.DecodeString(fields[1])
	switch {
	case err != nil || len(key) != keySize:
		return fmt.Errorf("the key must be %d bytes in base64", keySize)
	case r.ciphers[id] != nil:
		return errors.New("the id is there twice")
	case len(r.ciphers) == maxKeys:
		return fmt.Errorf("there must be at most %d keys", maxKeys)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	with, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return err
	}
	r.ciphers[id] = with
	if r.current == "" {
		r.current = id
	}
	return nil
}
