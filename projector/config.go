package main

import "orderflow/internal/config"

// settings are the projector's settings, read from the environment.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	config.Postgres
	Tracing  config.Tracing
	Shutdown config.Shutdown
}
