// Starter is the bridge from KurrentDB to Temporal. It starts one workflow for every
// order placed, and passes on the other events of an order's stream.
//
// It owns the subscription, how many events are in hand, when one is tried again, and the
// decision when it counts as handled. Package routes owns what an event does in Temporal,
// and package workflows what a workflow does.
package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "starter", Summary: "Start the workflows of orders placed in KurrentDB until stopped.", Run: run}.Main())
}
