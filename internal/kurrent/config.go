package kurrent

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/config"
)

// defaultCallTimeout bounds a call if neither the configuration nor the connection string
// does.
const defaultCallTimeout = 10 * time.Second

// defaultGossipTimeout bounds one attempt to connect, in seconds, unless the settings do.
const defaultGossipTimeout = 5

// Config says where the event store is and how to connect to it.
type Config struct {
	URL string // connection string, such as kurrentdb://user:password@host:2113; unused with Settings

	// URLFile is the file that URL was read from, if any. It is read again for new
	// connections, and so are the files of certificates and keys that URL names.
	URLFile string

	// Settings are the official client's, from its ParseConnectionString or made by hand;
	// they are copied. TLS is as they say.
	Settings *kurrentdb.Configuration

	AllowPlaintext bool          // accept tls=false and tlsVerifyCert=false
	Logger         *slog.Logger  // the client's own lines are logged at debug level; nil drops them
	CallTimeout    time.Duration // bounds every call; 0 means the connection string's defaultDeadline, or 10 s
	Connections    int           // how many calls can be in progress at once; 0 means 16
}

// Validate returns a *config.Error that says what is wrong with the connection string.
func (c Config) Validate() error {
	_, err := c.parse()
	return err
}

// parse returns the client's configuration. Discovery is up to the pool: the client gets
// a single attempt, and the connection string's maxDiscoverAttempts and discoveryInterval
// have no effect.
func (c Config) parse() (*kurrentdb.Configuration, error) {
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	settings.MaxDiscoverAttempts = 1
	settings.DiscoveryInterval = 0
	settings.Logger = c.clientLog()
	settings.DefaultDeadline = c.callTimeout(settings.DefaultDeadline)
	return settings, nil
}

// settings returns a copy of Settings, or else what URL says.
func (c Config) settings() (*kurrentdb.Configuration, error) {
	if c.Settings != nil {
		settings := *c.Settings
		settings.NodePreference = kurrentdb.NodePreferenceLeader
		settings.GossipTimeout = cmp.Or(settings.GossipTimeout, defaultGossipTimeout)
		return &settings, nil
	}
	address, faults := parseAddress(c.URL)
	if !c.AllowPlaintext {
		faults = append(faults, address.insecureOptions()...)
	}
	if len(faults) > 0 {
		return nil, invalidURL(faults)
	}
	settings, err := kurrentdb.ParseConnectionString(address.String())
	if err != nil {
		// The client's error quotes the whole string.
		return nil, invalidURL([]string{"is not a connection string the client understands"})
	}
	if len(address.ignored) > 0 {
		c.logger().Warn("options of the connection string are ignored", "options", address.ignored)
	}
	return settings, nil
}

func invalidURL(problems []string) error {
	faults := make([]config.Fault, len(problems))
	for i, problem := range problems {
		faults[i] = config.Fault{Name: "KURRENTDB_URL", Problem: problem}
	}
	return &config.Error{Faults: faults}
}

func (c Config) callTimeout(fromURL *time.Duration) *time.Duration {
	timeout := defaultCallTimeout
	switch {
	case c.CallTimeout > 0:
		timeout = c.CallTimeout
	case fromURL != nil:
		timeout = *fromURL
	}
	return &timeout
}

func (c Config) connections() int {
	if c.Connections <= 0 {
		return defaultConnections
	}
	return c.Connections
}

func (c Config) logger() *slog.Logger {
	if c.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Logger
}

// clientLog logs the client's lines at debug level, whatever their own level: what
// matters is returned as an error.
func (c Config) clientLog() kurrentdb.LoggingFunc {
	logger := c.logger()
	return func(level kurrentdb.LogLevel, format string, args ...any) {
		if logger.Enabled(context.Background(), slog.LevelDebug) {
			logger.Debug("kurrentdb client: "+fmt.Sprintf(format, args...), "clientLevel", level)
		}
	}
}
