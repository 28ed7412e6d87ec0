package payloadcodec

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"orderflow/internal/reread"
)

// Setting is the variable that names the key file.
const Setting = "PAYLOAD_KEYS_FILE"

// The limits of a key file.
const (
	maxKeys = 100
	keySize = 32 // bytes, for AES-256
)

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// Keys are the keys of a file. They are read again when the file changes. It is safe for
// concurrent use.
type Keys struct{ rings *reread.Value[ring] }

// ring is the keys of one version of the file.
type ring struct {
	current string // id of the key that encrypts
	ciphers map[string]cipher.AEAD
}

// OpenKeys reads a key file: on each line the id of a key, blanks, and the key, 32 bytes
// in base64. Blank lines, and those that begin with #, do not count. Its error is a
// *config.Error that names the line and never quotes it.
func OpenKeys(path string, logger *slog.Logger) (*Keys, error) {
	rings, err := reread.Open(logger, parseKeys, reread.File{Setting: Setting, Path: path})
	if err != nil {
		return nil, err
	}
	return &Keys{rings}, nil
}

// encrypting returns the key that encrypts.
func (k *Keys) encrypting() (id string, with cipher.AEAD) {
	r := k.rings.Get()
	return r.current, r.ciphers[r.current]
}

// decrypting returns a function that returns the key with an id, or nil. If there is none,
// another process may have read a newer file, and so it is read now: once for the function,
// however many ids are missing.
func (k *Keys) decrypting() func(id string) cipher.AEAD {
	found, again := k.rings.Get(), false
	return func(id string) cipher.AEAD {
		if found.ciphers[id] == nil && !again {
			found, again = k.rings.Reread(), true
		}
		return found.ciphers[id]
	}
}

func parseKeys(contents [][]byte) (ring, error) {
	r := ring{ciphers: map[string]cipher.AEAD{}}
	number := 0
	for line := range strings.Lines(string(contents[0])) {
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
