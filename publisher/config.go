package main

import (
	"regexp"
	"time"

	"orderflow/internal/config"
)

// settings are the publisher's settings, read from the environment.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	Shutdown config.Shutdown
	Database database

	Window    int           `env:"PUBLISHER_WINDOW" envDefault:"256"`
	Retention time.Duration `env:"PUBLISHER_HISTORY_RETENTION" envDefault:"168h"`
}

// database says what to publish from: the database, and its replication slot.
type database struct {
	config.Postgres
	Slot string `env:"PUBLISHER_SLOT" envDefault:"orderflow"`
}

const (
	maxWindow    = 4096        // versions in memory and, as goroutines, in flight
	minRetention = time.Minute // a version must be published and older than this
	maxRetention = 10 * 8784 * time.Hour
)

// slotName matches the slot names that PostgreSQL accepts.
var slotName = regexp.MustCompile(`^[a-z0-9_]{1,63}$`)

// Validate checks the ranges of the values.
func (s settings) Validate() []config.Fault {
	var faults []config.Fault
	if s.Window < 1 || s.Window > maxWindow {
		faults = append(faults, config.Fault{Name: "PUBLISHER_WINDOW", Problem: "must be from 1 to 4096"})
	}
	if s.Retention != 0 && (s.Retention < minRetention || s.Retention > maxRetention) {
		faults = append(faults, config.Fault{
			Name: "PUBLISHER_HISTORY_RETENTION", Problem: "must be 0, to keep everything, or from 1m to 87840h (10 years)",
		})
	}
	return faults
}

// Validate checks the slot's name.
func (d database) Validate() []config.Fault {
	if !slotName.MatchString(d.Slot) {
		return []config.Fault{{Name: "PUBLISHER_SLOT", Problem: "must be 1 to 63 of a-z, 0-9 and _"}}
	}
	return nil
}
