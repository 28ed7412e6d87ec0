package temporalclient

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"go.temporal.io/sdk/contrib/envconfig"

	"orderflow/internal/config"
)

// apiKeyFile names the file that holds the API key.
const apiKeyFile = "TEMPORAL_API_KEY_FILE"

// keyLifetime is how long a key that was read is used before it is read again.
const keyLifetime = time.Second

// apiKey is a key that another program renews in a file.
type apiKey struct {
	read   func() (string, error)
	logger *slog.Logger

	mu     sync.Mutex
	at     time.Time // of the last read
	last   string    // the newest that could be used
	failed bool      // the last read did
}

// keySource returns how to read the key again, or nil if it is in the environment or there
// is none.
func keySource(profile envconfig.ClientConfigProfile) func() (string, error) {
	if path := os.Getenv(apiKeyFile); path != "" {
		return func() (string, error) { return config.ReadFile(path) }
	}
	if profile.APIKey == "" || os.Getenv("TEMPORAL_API_KEY") != "" {
		return nil
	}
	return func() (string, error) {
		found, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{})
		if err != nil {
			return "", errors.New("the profile cannot be read") // the parser's error may quote it
		}
		return found.APIKey, nil
	}
}

// get returns the key for a call. While it cannot be read, it is the previous one.
func (k *apiKey) get(context.Context) (string, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.at) < keyLifetime {
		return k.last, nil
	}
	k.at = time.Now()
	found, err := k.read()
	if err == nil && !isKey(found) {
		err = errors.New("it must be one word")
	}
	if err != nil && !k.failed {
		k.logger.Warn("API key for Temporal cannot be read, using the previous one", "error", err)
	}
	if k.failed = err != nil; !k.failed {
		k.last = found
	}
	return k.last, nil
}

// isKey reports whether a text can be sent as a key.
func isKey(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
}

// checkKeyFile returns what is wrong with the file of the key.
func checkKeyFile(getenv func(string) string) []config.Fault {
	path := getenv(apiKeyFile)
	if path == "" {
		return nil
	}
	if getenv("TEMPORAL_API_KEY") != "" {
		return []config.Fault{{Name: apiKeyFile, Problem: "must not be set together with TEMPORAL_API_KEY"}}
	}
	key, err := config.ReadFile(path)
	switch {
	case err != nil:
		return []config.Fault{{Name: apiKeyFile, Problem: "names a file that cannot be read: " + err.Error()}}
	case !isKey(key):
		return []config.Fault{{Name: apiKeyFile, Problem: "must hold one word, without blanks"}}
	}
	return nil
}
