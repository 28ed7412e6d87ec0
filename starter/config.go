package main

import "orderflow/internal/config"

// settings are the starter's settings, read from the environment. The Temporal SDK reads
// its own variables.
type settings struct {
	config.Log
	config.Ops
	config.KurrentDB
	Shutdown     config.Shutdown
	Subscription config.Subscription
}
