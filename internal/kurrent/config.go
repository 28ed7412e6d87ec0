package kurrent

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/kurrent-io/KurrentDB-Client-Go/kurrentdb"

	"orderflow/internal/config"
)

// defaultCallTimeout bounds a call when neither the configuration nor the connection string says otherwise.
const defaultCallTimeout = 10 * time.Second

// Config says where the event store is and how to speak to it.
type Config struct {
	URL            string        // connection string, such as kurrentdb://user:password@host:2113
	AllowPlaintext bool          // accept tls=false and tlsVerifyCert=false
	Logger         *slog.Logger  // the client's own lines come at debug; nil drops them
	CallTimeout    time.Duration // bounds every call; 0 takes the connection string's defaultDeadline, else 10 s
	Connections    int           // how many calls can be under way at once; 0 is 16
}

// parse makes the client's configuration. Discovery is the pool's business: the client gets one attempt at it, and the
// connection string's maxDiscoverAttempts and discoveryInterval are of no effect.
func (c Config) parse() (*kurrentdb.Configuration, error) {
	address, faults := parseAddress(c.URL)
	if !c.AllowPlaintext {
		faults = append(faults, address.insecurities()...)
	}
	if len(faults) > 0 {
		return nil, invalidURL(faults)
	}
	settings, err := kurrentdb.ParseConnectionString(address.String())
	if err != nil {
		return nil, invalidURL([]string{"is not a connection string the client understands"}) // its error quotes all of it
	}
	if len(address.ignored) > 0 {
		c.logger().Warn("options of the connection string are ignored", "options", address.ignored)
	}
	settings.MaxDiscoverAttempts = 1
	settings.DiscoveryInterval = 0
	settings.Logger = c.clientLog()
	settings.DefaultDeadline = c.callTimeout(settings.DefaultDeadline)
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

// clientLog takes the client's lines at debug, whatever level it gives them: what matters comes back as an error.
func (c Config) clientLog() kurrentdb.LoggingFunc {
	logger := c.logger()
	return func(level kurrentdb.LogLevel, format string, args ...any) {
		if logger.Enabled(context.Background(), slog.LevelDebug) {
			logger.Debug("kurrentdb client: "+fmt.Sprintf(format, args...), "clientLevel", level)
		}
	}
}
