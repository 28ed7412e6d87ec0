// Worker hosts the workflows and activities of Orderflow.
//
// It owns the wiring of drivers into activities and how many run at once. Packages
// workflows and activities own what they do.
package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "worker", Summary: "Host the workflows and activities of orders until stopped.", Run: run}.Main())
}
