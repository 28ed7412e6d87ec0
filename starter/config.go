package main

import (
	"strings"
	"time"

	"orderflow/internal/config"
	"orderflow/internal/kurrent"
)

// settings are the starter's settings, read from the environment. The Temporal SDK reads
// its own variables.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	Shutdown     config.Shutdown
	Subscription subscription

	Concurrency int `env:"STARTER_CONCURRENCY" envDefault:"64"`
}

// subscription says which events to take.
type subscription struct {
	Stream         string        `env:"STARTER_STREAM" envDefault:"$ce-order"`
	Group          string        `env:"STARTER_GROUP" envDefault:"fulfillment"`
	MessageTimeout time.Duration `env:"STARTER_MESSAGE_TIMEOUT" envDefault:"4m"`
}

// maxConcurrency bounds the starts in flight. It thereby bounds the memory used during an
// outage, for an event may have 256 KiB.
const maxConcurrency = 1024

// Validate checks the range of the concurrency.
func (s settings) Validate() []config.Fault {
	if s.Concurrency < 1 || s.Concurrency > maxConcurrency {
		return []config.Fault{{Name: "STARTER_CONCURRENCY", Problem: "must be from 1 to 1024"}}
	}
	return nil
}

// Validate checks the values beyond their syntax.
func (s subscription) Validate() []config.Fault {
	var faults []config.Fault
	if strings.ContainsAny(s.Stream, " \t\r\n") {
		faults = append(faults, config.Fault{Name: "STARTER_STREAM", Problem: "must be a stream name without blanks"})
	}
	if strings.ContainsAny(s.Group, " \t\r\n:/") {
		faults = append(faults, config.Fault{Name: "STARTER_GROUP", Problem: "must be a group name without blanks, : and /"})
	}
	if s.MessageTimeout < 2*time.Second || s.MessageTimeout > time.Hour {
		faults = append(faults, config.Fault{Name: "STARTER_MESSAGE_TIMEOUT", Problem: "must be from 2s to 1h"})
	}
	return faults
}

func (s subscription) group(buffer int) kurrent.GroupSettings {
	return kurrent.GroupSettings{
		Stream: s.Stream, Group: s.Group, MessageTimeout: s.MessageTimeout, BufferSize: buffer,
	}
}
