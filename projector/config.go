package main

import "orderflow/internal/config"

// settings are the projector's settings, read from the environment.
type settings struct {
	config.Log
	config.Ops
	Shutdown config.Shutdown

	Kurrent struct {
		URL            string `env:"KURRENTDB_URL,required"`
		AllowPlaintext bool   `env:"KURRENTDB_ALLOW_PLAINTEXT"`
	}
	Postgres struct {
		URL string `env:"POSTGRES_URL,required"`
	}
}
