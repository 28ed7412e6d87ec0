package main

import (
	"time"

	"orderflow/internal/config"
)

// settings are the publisher's settings, read from the environment.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	config.Postgres
	Tracing  config.Tracing
	Shutdown config.Shutdown
	Slot     config.Slot

	Tuning    config.Publisher
	Retention time.Duration `env:"PUBLISHER_HISTORY_RETENTION" envDefault:"168h"`
}

const (
	minRetention = time.Minute // a version must be published and older than this
	maxRetention = 10 * 8784 * time.Hour
)

// Validate checks the ranges of the values.
func (s settings) Validate() []config.Fault {
	var faults []config.Fault
	if s.Retention != 0 && (s.Retention < minRetention || s.Retention > maxRetention) {
		faults = append(faults, config.Fault{
			Name: "PUBLISHER_HISTORY_RETENTION", Problem: "must be 0, to keep everything, or from 1m to 87840h (10 years)",
		})
	}
	return faults
}
