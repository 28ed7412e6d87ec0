package kurrent

import (
	"crypto/sha256"
	"errors"
	"log/slog"
	"os"
	"reflect"
	"sync"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/config"
)

// renewalInterval is the least time between two looks at the files.
const renewalInterval = time.Second

// errOtherServer is returned for a connection string that names other nodes. The clients
// that are lent stay with the nodes they have, so only a restart moves them all.
var errOtherServer = errors.New("it names other nodes, which takes a restart")

// renewal reads again what other programs renew while this one runs: user and password in
// the file of the connection string, and the certificates and keys in the files that the
// string names. It is safe for concurrent use.
type renewal struct {
	config Config
	logger *slog.Logger

	mu     sync.Mutex
	at     time.Time               // of the last look
	seen   [sha256.Size]byte       // digest of what the files held then
	latest kurrentdb.Configuration // the newest that could be used
}

// newRenewal returns nil for settings that were made by hand.
func newRenewal(c Config, opened kurrentdb.Configuration) *renewal {
	if c.Settings != nil {
		return nil
	}
	return &renewal{config: c, logger: c.logger(), at: time.Now(), seen: digest(c.URL), latest: opened}
}

// next returns the new settings if the files have changed since the last call. While they
// cannot be used, for example because only one of two files has been replaced yet, it
// reports false, as it does if the last look was less than renewalInterval ago.
func (r *renewal) next() (kurrentdb.Configuration, bool) {
	if r == nil || !r.mu.TryLock() { // another call looks
		return kurrentdb.Configuration{}, false
	}
	defer r.mu.Unlock()
	if time.Since(r.at) < renewalInterval {
		return kurrentdb.Configuration{}, false
	}
	r.at = time.Now()
	url, err := r.url()
	now := digest(url)
	if now == r.seen {
		return kurrentdb.Configuration{}, false
	}
	r.seen = now
	if err == nil {
		err = r.parse(url)
	}
	if err != nil {
		r.logger.Warn("credentials for the event store cannot be read, using the previous ones", "error", err)
		return kurrentdb.Configuration{}, false
	}
	return r.latest, true
}

// parse makes the settings of a connection string the latest.
func (r *renewal) parse(url string) error {
	c := r.config
	c.URL = url
	found, err := c.parse()
	if err != nil {
		return err
	}
	if !sameNodes(*found, r.latest) {
		return errOtherServer
	}
	r.latest = *found
	return nil
}

// url returns the present connection string.
func (r *renewal) url() (string, error) {
	if r.config.URLFile == "" {
		return r.config.URL, nil
	}
	return config.ReadFile(r.config.URLFile)
}

// digest returns the hash of a connection string and of the files that it names.
func digest(url string) (sum [sha256.Size]byte) {
	hash := sha256.New()
	hash.Write([]byte(url))
	address, _ := parseAddress(url) // what is wrong with it is found later
	for _, option := range []string{"tlscafile", "usercertfile", "userkeyfile"} {
		content, _ := os.ReadFile(address.options[option]) // a file that is missing differs from one that is back
		part := sha256.Sum256(content)
		hash.Write(part[:])
	}
	return [sha256.Size]byte(hash.Sum(nil))
}

// sameNodes reports whether two settings lead to the same nodes, with TLS or without as
// before.
func sameNodes(a, b kurrentdb.Configuration) bool {
	return a.Address == b.Address && reflect.DeepEqual(a.GossipSeeds, b.GossipSeeds) && a.DisableTLS == b.DisableTLS &&
		a.SkipCertificateVerification == b.SkipCertificateVerification
}
