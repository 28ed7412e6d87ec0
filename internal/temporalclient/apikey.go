package temporalclient

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"orderflow/internal/config"
	"orderflow/internal/reread"
)

const (
	apiKeyFile = "TEMPORAL_API_KEY_FILE" // names the file that holds the API key
	configFile = "TEMPORAL_CONFIG_FILE"  // names the file of the profiles
)

// apiKey returns the key that another program renews in a file of its own or in the file
// of the profile, or nil if the key is in the environment or there is none.
func apiKey(profile envconfig.ClientConfigProfile, logger *slog.Logger) (*reread.Value[string], error) {
	if path := os.Getenv(apiKeyFile); path != "" {
		return reread.Open(logger, parseKey, reread.File{Setting: apiKeyFile, Path: path})
	}
	if profile.APIKey == "" || os.Getenv("TEMPORAL_API_KEY") != "" {
		return nil, nil
	}
	path := cmp.Or(os.Getenv(configFile), envconfig.DefaultConfigFilePath())
	return reread.Open(logger, parseProfile, reread.File{Setting: configFile, Path: path})
}

// keyCredentials sends the key of the moment with each call.
func keyCredentials(key *reread.Value[string]) client.Credentials {
	return client.NewAPIKeyDynamicCredentials(func(context.Context) (string, error) { return key.Get(), nil })
}

func parseKey(contents [][]byte) (string, error) {
	key := strings.TrimSpace(string(contents[0]))
	if !isKey(key) {
		return "", errors.New("must hold one word, without blanks")
	}
	return key, nil
}

// parseProfile returns the key of the profile that the environment selects.
func parseProfile(contents [][]byte) (string, error) {
	if len(contents[0]) == 0 { // envconfig would read its default file
		return "", errors.New("is empty")
	}
	found, err := envconfig.LoadClientConfigProfile(envconfig.LoadClientConfigProfileOptions{ConfigFileData: contents[0]})
	if err != nil {
		return "", errors.New("the profile cannot be read") // the parser's error may quote it
	}
	if !isKey(found.APIKey) {
		return "", errors.New("the profile's api_key must be one word, without blanks")
	}
	return found.APIKey, nil
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
	_, err := reread.Open(slog.New(slog.DiscardHandler), parseKey, reread.File{Setting: apiKeyFile, Path: path})
	if fault, ok := errors.AsType[*config.Error](err); ok {
		return fault.Faults
	}
	return nil
}
