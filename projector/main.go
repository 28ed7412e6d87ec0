// Projector maintains the customer view in PostgreSQL from the event streams in
// KurrentDB: orders, credit accounts and fulfillments, in the order of the whole log.
//
// It owns its settings and wiring. Package internal/projection follows the log, and
// package internal/view decides what an event changes.
package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "projector", Summary: "Maintain the customer view from the event streams until stopped.", Run: run}.Main())
}
