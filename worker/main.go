// Worker hosts the workflows and activities of Orderflow.
//
// It owns the wiring of drivers into activities and how many run at once. Packages
// workflows and activities own what they do.
//
// drivers.go opens the stores, the mailer and the Temporal client. run.go puts them into
// activities.Activities, whose package declares the interfaces that they implement.
// pools.go hosts those activities and the workflows in two pools of task slots: one for
// orders, and one for the email queue, whose rate the server limits. A process may serve
// either queue alone; it then opens only the stores of that queue. A third queue, which a
// process serves alone, is that of reconcile.go: it compares the stores. global_metrics.go
// counts what concerns all workers, in the one that holds the lease.
package main

import (
	"os"

	"orderflow/internal/ops"
)

func main() {
	os.Exit(ops.Program{Name: "worker", Summary: "Host the workflows and activities of orders until stopped.", Run: run}.Main())
}
