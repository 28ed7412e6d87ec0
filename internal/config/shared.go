package config

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Log configures how a binary logs. It is meant to be embedded or nested in a binary's
// settings.
type Log struct {
	Level  slog.Level `env:"LOG_LEVEL" envDefault:"info"`
	Format LogFormat  `env:"LOG_FORMAT" envDefault:"text"`
}

// Logger returns a logger that writes to w.
func (l Log) Logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{Level: l.Level}
	if l.Format == LogJSON {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// LogFormat is the form of a log line.
type LogFormat string

// Text is for terminals, JSON for log stores.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

// UnmarshalText accepts exactly the known formats.
func (f *LogFormat) UnmarshalText(text []byte) error {
	switch v := LogFormat(text); v {
	case LogText, LogJSON:
		*f = v
		return nil
	default:
		return fmt.Errorf("must be %s or %s", LogText, LogJSON)
	}
}

// Ops configures the operations server: health, readiness and metrics. Without an address
// there is no server.
type Ops struct {
	Addr string `env:"OPS_ADDR"`
}

// Validate reports an address that cannot be listened on.
func (o Ops) Validate() []Fault {
	if o.Addr == "" {
		return nil
	}
	if err := CheckAddr(o.Addr); err != nil {
		return []Fault{{Name: "OPS_ADDR", Problem: err.Error()}}
	}
	return nil
}

// CheckAddr returns an error unless addr is an address to listen on: host:port, where the
// host may be empty and the port 0.
func CheckAddr(addr string) error {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return errors.New("must be host:port")
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > 65535 {
		return errors.New("must end in a port from 0 to 65535")
	}
	return nil
}

// KurrentDB says where the event store is. The connection string is validated by
// internal/kurrent when it opens the client: its parser belongs to the driver.
type KurrentDB struct {
	URLFile        string `env:"KURRENTDB_URL_FILE"` // before URL, whose reader forgets it
	URL            string `env:"KURRENTDB_URL,required" orFile:"KURRENTDB_URL_FILE"`
	AllowPlaintext bool   `env:"KURRENTDB_ALLOW_PLAINTEXT"`
}

// Postgres says where the database is. The connection string is validated by
// internal/postgres when it opens the pool.
type Postgres struct {
	URLFile string `env:"POSTGRES_URL_FILE"` // before URL, whose reader forgets it
	URL     string `env:"POSTGRES_URL,required" orFile:"POSTGRES_URL_FILE"`
}

// Payloads says how the payloads of workflows are encrypted. Without a key file they are
// not. The file is read by internal/payloadcodec.
type Payloads struct {
	KeysFile string `env:"PAYLOAD_KEYS_FILE"`
}

// Attributes says which search attributes orders have. Temporal stores them in the clear.
type Attributes struct {
	TotalHidden bool `env:"ORDER_TOTAL_HIDDEN"` // without OrderTotalMinor
}

// maxConcurrency bounds the starts in flight. It thereby bounds the memory used during an
// outage, for an event may have 256 KiB.
const maxConcurrency = 1024

// Subscription says which persistent subscription the starter takes its events from, and
// what a new one is created with.
type Subscription struct {
	Stream         string        `env:"STARTER_STREAM" envDefault:"$ce-order"`
	Group          string        `env:"STARTER_GROUP" envDefault:"fulfillment"`
	MessageTimeout time.Duration `env:"STARTER_MESSAGE_TIMEOUT" envDefault:"4m"`
	Concurrency    int           `env:"STARTER_CONCURRENCY" envDefault:"16"` // starts in flight
}

// GroupBuffer returns the buffer size of a new group, which several starters share.
func (s Subscription) GroupBuffer() int { return 4 * s.Concurrency }

// Validate reports names that a server refuses, and values out of range.
func (s Subscription) Validate() []Fault {
	var faults []Fault
	if strings.ContainsAny(s.Stream, " \t\r\n") {
		faults = append(faults, Fault{Name: "STARTER_STREAM", Problem: "must be a stream name without blanks"})
	}
	if strings.ContainsAny(s.Group, " \t\r\n:/") {
		faults = append(faults, Fault{Name: "STARTER_GROUP", Problem: "must be a group name without blanks, : and /"})
	}
	if s.MessageTimeout < 2*time.Second || s.MessageTimeout > time.Hour {
		faults = append(faults, Fault{Name: "STARTER_MESSAGE_TIMEOUT", Problem: "must be from 2s to 1h"})
	}
	if s.Concurrency < 1 || s.Concurrency > maxConcurrency {
		faults = append(faults, Fault{Name: "STARTER_CONCURRENCY", Problem: "must be from 1 to 1024"})
	}
	return faults
}

// slotName matches the slot names that PostgreSQL accepts.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// Slot is the replication slot that the publisher reads.
type Slot struct {
	Name string `env:"PUBLISHER_SLOT" envDefault:"orderflow"`
}

// Validate reports a name that PostgreSQL does not accept.
func (s Slot) Validate() []Fault {
	if !slotName.MatchString(s.Name) {
		return []Fault{{Name: "PUBLISHER_SLOT", Problem: "must be 1 to 63 of a-z, 0-9 and _"}}
	}
	return nil
}

// maxShutdown bounds the budget: with a mistyped unit, a binary would seem never to stop.
const maxShutdown = time.Hour

// Shutdown is the time budget for a graceful shutdown, in which work in progress must
// finish.
type Shutdown struct {
	Timeout time.Duration `env:"SHUTDOWN_TIMEOUT" envDefault:"25s"`
}

// Validate reports a budget that is not above zero and at most an hour.
func (s Shutdown) Validate() []Fault {
	if s.Timeout <= 0 || s.Timeout > maxShutdown {
		return []Fault{{Name: "SHUTDOWN_TIMEOUT", Problem: "must be above zero and at most an hour"}}
	}
	return nil
}
