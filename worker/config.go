package main

import (
	"time"

	"orderflow/internal/config"
	"orderflow/internal/credit"
	"orderflow/internal/email"
)

// settings are the worker's settings, read from the environment. The SDKs of Temporal and
// AWS read their own variables.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	config.Postgres
	Tracing  config.Tracing
	Shutdown config.Shutdown
	Tuning   config.Worker
	Payloads config.Payloads

	Attributes   config.Attributes   // of the repairs that a comparison starts
	Subscription config.Subscription // the starter's, whose parked events a comparison counts

	Email struct {
		From             string        `env:"EMAIL_FROM,required"`
		ReplyTo          string        `env:"EMAIL_REPLY_TO"`
		ConfigurationSet string        `env:"EMAIL_CONFIGURATION_SET"`
		Templates        string        `env:"EMAIL_TEMPLATES"`
		EventsQueueURL   string        `env:"EMAIL_EVENTS_QUEUE_URL"`
		UnknownPolicy    email.Policy  `env:"EMAIL_UNKNOWN_POLICY" envDefault:"resend"`
		UnknownGrace     time.Duration `env:"EMAIL_UNKNOWN_GRACE" envDefault:"5m"`
	}
	Credit struct {
		DefaultLimit    credit.Limits        `env:"CREDIT_DEFAULT_LIMIT" envDefault:"10000.00"`
		UnknownCustomer credit.UnknownPolicy `env:"CREDIT_UNKNOWN_CUSTOMER" envDefault:"open"`
		Hold            time.Duration        `env:"CREDIT_HOLD" envDefault:"0s"`
	}
	ShipBy     time.Duration `env:"SHIP_BY" envDefault:"0s"`
	Deployment deployment
}

// maxGrace keeps a mistyped unit from delaying orders for years, as credit.MaxHold does, and
// maxShipBy from hiding that they are late. The grace period has to end before a closing
// order stops waiting for its emails, which is after 15 minutes.
const (
	maxGrace  = 10 * time.Minute
	maxShipBy = 90 * 24 * time.Hour
)

// Validate checks the values beyond their syntax.
func (s settings) Validate() []config.Fault {
	var faults []config.Fault
	if s.Credit.Hold < 0 || s.Credit.Hold > credit.MaxHold || s.Credit.Hold > 0 && s.Credit.Hold < time.Second {
		faults = append(faults, config.Fault{Name: "CREDIT_HOLD", Problem: "must be 0 or from 1s to 2160h (90 days)"})
	}
	if s.ShipBy < 0 || s.ShipBy > maxShipBy || s.ShipBy > 0 && s.ShipBy < time.Second {
		faults = append(faults, config.Fault{Name: "SHIP_BY", Problem: "must be 0 or from 1s to 2160h (90 days)"})
	}
	if s.Email.UnknownGrace < time.Second || s.Email.UnknownGrace > maxGrace {
		faults = append(faults, config.Fault{Name: "EMAIL_UNKNOWN_GRACE", Problem: "must be from 1s to 10m"})
	}
	if s.consumesEvents() && s.KurrentDB.URL == "" && s.KurrentDB.URLFile == "" {
		faults = append(faults, config.Fault{Name: "KURRENTDB_URL", Problem: "is required with EMAIL_EVENTS_QUEUE_URL: some events are published"})
	}
	if s.consumesEvents() && s.Email.ConfigurationSet == "" {
		faults = append(faults, config.Fault{
			Name: "EMAIL_CONFIGURATION_SET", Problem: "is required with EMAIL_EVENTS_QUEUE_URL: events of other sets are not this environment's",
		})
	}
	return faults
}

// consumesEvents reports whether the worker consumes the provider's events about emails.
// One that compares the stores does nothing else.
func (s settings) consumesEvents() bool {
	return s.Email.EventsQueueURL != "" && !s.Tuning.ServesReconcile()
}

func (s settings) terms() credit.Terms {
	return credit.Terms{
		Limits: s.Credit.DefaultLimit, UnknownCustomer: s.Credit.UnknownCustomer,
	}
}
